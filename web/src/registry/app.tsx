import { ActionIcon, Anchor, AppShell, Button, Group, Menu, Text, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { Loaded } from '../common/state';
import { type Session, logOut, useSession } from './api';
import { LogIn } from './log_in';
import { ManifestPage } from './manifest_page';
import { usePlace } from './places';
import { RepositoriesPage } from './repositories_page';
import { RepositoryPage } from './repository_page';

function SchemeButton() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  const other = scheme === 'dark' ? 'light' : 'dark';
  return (
    <ActionIcon variant="default" size="lg" aria-label={`Switch to ${other} colours`} onClick={() => setColorScheme(other)}>
      {scheme === 'dark' ? '☀' : '☾'}
    </ActionIcon>
  );
}

function UserButton({ session, onLogIn }: { session: Session; onLogIn: () => void }) {
  const queries = useQueryClient();
  if (!session.accounts) return null;
  if (!session.user) return <Button onClick={onLogIn}>Log in</Button>;
  const [failure, setFailure] = useState('');
  async function leave() {
    try {
      await logOut();
      await queries.resetQueries();
    } catch (error) {
      setFailure((error as Error).message);
    }
  }
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default">{session.user}</Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{session.admin ? 'Administrator' : 'User'}</Menu.Label>
        <Menu.Item onClick={leave} closeMenuOnClick={false}>
          Log out
        </Menu.Item>
        {failure && (
          <Text c="red" size="sm" role="alert">
            {failure}
          </Text>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

function Place() {
  const { name, reference } = usePlace();
  useDocumentTitle([name, reference, window.location.host].filter(Boolean).join(' · '));
  if (name === undefined) return <RepositoriesPage />;
  if (reference === undefined) return <RepositoryPage key={name} name={name} />;
  return <ManifestPage key={`${name} ${reference}`} name={name} reference={reference} />;
}

export function App() {
  const session = useSession();
  const [asking, setAsking] = useState(false);
  return (
    <AppShell header={{ height: 60 }} padding="md">
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Anchor component={Link} href="/" underline="never" c="inherit">
            <Text fw={700} truncate>
              {window.location.host}
            </Text>
          </Anchor>
          <Group wrap="nowrap">
            <SchemeButton />
            {session.data && <UserButton session={session.data} onLogIn={() => setAsking(true)} />}
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Main maw={1200} mx="auto">
        <Loaded query={session}>{() => <Place />}</Loaded>
      </AppShell.Main>
      {asking && <LogIn onClose={() => setAsking(false)} />}
    </AppShell>
  );
}

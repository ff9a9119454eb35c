import { Anchor, Stack, Table, TextInput, Title } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useState } from 'react';
import { Link } from 'wouter';
import { Age } from '../common/age';
import { formatBytes } from '../common/format';
import { Loaded, Nothing } from '../common/state';
import { type Repository, useRepositories, useSession } from './api';
import { Pager, useExistingPage } from './pager';
import { toRepository } from './places';

function Row({ repository }: { repository: Repository }) {
  return (
    <Table.Tr>
      <Table.Td className="wide">
        <Anchor component={Link} href={toRepository(repository.name)}>
          {repository.name}
        </Anchor>
      </Table.Td>
      <Table.Td ta="right">{repository.tags?.toLocaleString('en')}</Table.Td>
      <Table.Td ta="right">{repository.bytes !== undefined && formatBytes(repository.bytes)}</Table.Td>
      <Table.Td ta="right">
        <Age time={repository.changed} />
      </Table.Td>
    </Table.Tr>
  );
}

/** Why there may be nothing to see. */
function Empty({ searched }: { searched: boolean }) {
  const session = useSession();
  if (searched) return <Nothing>No repository has this in its name.</Nothing>;
  const stranger = session.data?.accounts && !session.data.user;
  return <Nothing>{stranger ? 'Log in to see the repositories that you may pull.' : 'There is no repository yet. The first push makes one.'}</Nothing>;
}

export function RepositoriesPage() {
  const [search, setSearch] = useState('');
  const [page, setPage] = useState(1);
  const [wanted] = useDebouncedValue(search.trim(), 200);
  const query = useRepositories(wanted, page);
  useExistingPage(query.data?.total, page, setPage);
  return (
    <Stack>
      <Title order={2}>Repositories</Title>
      <TextInput
        placeholder="Search repositories"
        aria-label="Search repositories"
        value={search}
        onChange={(event) => {
          setSearch(event.currentTarget.value);
          setPage(1);
        }}
      />
      <Loaded query={query}>
        {({ total, repositories }) =>
          total === 0 ? (
            <Empty searched={wanted !== ''} />
          ) : (
            <>
              <Table.ScrollContainer minWidth={500}>
                <Table highlightOnHover>
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>Name</Table.Th>
                      <Table.Th ta="right">Tags</Table.Th>
                      <Table.Th ta="right">Size</Table.Th>
                      <Table.Th ta="right">Changed</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {repositories.map((repository) => (
                      <Row key={repository.name} repository={repository} />
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
              <Pager total={total} word="repository" page={page} onChange={setPage} />
            </>
          )
        }
      </Loaded>
    </Stack>
  );
}

import { Alert, Anchor, Badge, Button, Group, Stack, Tabs, Text, Title } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { Confirm, type Question } from '../common/confirm';
import { Command } from '../common/copy_button';
import { formatAge, formatBytes, formatTime, plural } from '../common/format';
import { Loaded } from '../common/state';
import { type Manifest, deleteManifest, tagsOf, useManifest, useRepository } from './api';
import { ChildrenTable, ConfigTable, HistoryList, LayersTable, PairsTable, Referrers } from './manifest_parts';
import { imageName, toManifest, toRepository } from './places';
import { Trail } from './trail';

const kinds = { image: 'Image', index: 'Image index', artifact: 'Artifact' };

function Facts({ name, manifest }: { name: string; manifest: Manifest }) {
  return (
    <Stack gap={4}>
      <Group gap="xs">
        <Badge variant="light">{kinds[manifest.kind]}</Badge>
        {manifest.platforms.map((platform) => (
          <Badge key={platform} variant="light" tt="none">
            {platform}
          </Badge>
        ))}
        {manifest.size !== null && <Text size="sm">{formatBytes(manifest.size)}</Text>}
        {manifest.created && (
          <Text size="sm" title={formatTime(manifest.created)}>
            made {formatAge(manifest.created)}
          </Text>
        )}
      </Group>
      <Text className="digest wide" data-testid="digest">
        {manifest.digest}
      </Text>
      <Text c="dimmed" size="xs" className="wide">
        {manifest.mediaType}
        {manifest.artifactType && `, ${manifest.artifactType}`}
      </Text>
      {manifest.subject && (
        <Text size="sm">
          Refers to{' '}
          <Anchor component={Link} href={toManifest(name, manifest.subject)} className="digest wide">
            {manifest.subject}
          </Anchor>
        </Text>
      )}
    </Stack>
  );
}

function Details({ name, manifest }: { name: string; manifest: Manifest }) {
  const first = manifest.kind === 'index' ? 'manifests' : 'layers';
  return (
    <Tabs defaultValue={first} keepMounted={false}>
      <Tabs.List>
        {manifest.kind === 'index' && <Tabs.Tab value="manifests">Platforms</Tabs.Tab>}
        {manifest.kind !== 'index' && <Tabs.Tab value="layers">Layers</Tabs.Tab>}
        {manifest.history.length > 0 && <Tabs.Tab value="history">History</Tabs.Tab>}
        {manifest.config && <Tabs.Tab value="config">Configuration</Tabs.Tab>}
        <Tabs.Tab value="annotations">Annotations</Tabs.Tab>
        <Tabs.Tab value="referrers">Referrers</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="manifests" pt="md">
        <ChildrenTable name={name} manifests={manifest.manifests} />
      </Tabs.Panel>
      <Tabs.Panel value="layers" pt="md">
        <LayersTable layers={manifest.layers} />
      </Tabs.Panel>
      <Tabs.Panel value="history" pt="md">
        <HistoryList manifest={manifest} />
      </Tabs.Panel>
      <Tabs.Panel value="config" pt="md">
        {manifest.config && <ConfigTable config={manifest.config} />}
      </Tabs.Panel>
      <Tabs.Panel value="annotations" pt="md">
        <PairsTable pairs={manifest.annotations} none="It has no annotations." />
      </Tabs.Panel>
      <Tabs.Panel value="referrers" pt="md">
        <Referrers name={name} digest={manifest.digest} />
      </Tabs.Panel>
    </Tabs>
  );
}

/** Asks with the names of all tags that go along. */
async function questionFor(name: string, manifest: Manifest, done: () => Promise<void>): Promise<Question> {
  const { total, tags } = await tagsOf(name, manifest.digest);
  return {
    title: 'Delete this manifest?',
    text: total === 0 ? 'No tag stands for it.' : `${plural(total, 'tag')} ${total === 1 ? 'goes' : 'go'} along:`,
    items: tags.map((tag) => tag.tag),
    total,
    button: 'Delete',
    act: async () => {
      await deleteManifest(name, manifest.digest);
      await done();
    },
  };
}

export function ManifestPage({ name, reference }: { name: string; reference: string }) {
  const queries = useQueryClient();
  const [, go] = useLocation();
  const [question, setQuestion] = useState<Question>();
  const [failure, setFailure] = useState('');
  const repository = useRepository(name);
  const query = useManifest(name, reference);
  const leave = async () => {
    go(toRepository(name));
    queries.removeQueries({ queryKey: ['repository', name, 'manifest'] });
    await queries.invalidateQueries();
  };
  async function ask(manifest: Manifest) {
    setFailure('');
    try {
      setQuestion(await questionFor(name, manifest, leave));
    } catch (error) {
      setFailure((error as Error).message);
    }
  }
  const tagged = !reference.includes(':');
  return (
    <Stack>
      <Trail name={name} item={tagged ? reference : 'by digest'} />
      <Loaded query={query}>
        {(manifest) => (
          <>
            <Group justify="space-between" align="start">
              <Title order={2} className="wide">
                {name}
                {tagged && `:${reference}`}
              </Title>
              {repository.data?.mayDelete && (
                <Button color="red" variant="subtle" onClick={() => ask(manifest)}>
                  Delete
                </Button>
              )}
            </Group>
            {failure && (
              <Alert color="red" role="alert">
                {failure}
              </Alert>
            )}
            <Facts name={name} manifest={manifest} />
            {manifest.kind !== 'artifact' && <Command text={`docker pull ${imageName(name, reference)}`} />}
            {tagged && manifest.kind !== 'artifact' && <Command text={`docker pull ${imageName(name, manifest.digest)}`} />}
            <Details name={name} manifest={manifest} />
          </>
        )}
      </Loaded>
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
    </Stack>
  );
}

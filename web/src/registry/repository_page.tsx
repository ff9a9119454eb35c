import { Anchor, Badge, Button, Checkbox, Group, SegmentedControl, Stack, Table, Text, TextInput, Title, VisuallyHidden } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link, useLocation } from 'wouter';
import { Age } from '../common/age';
import { Confirm, type Question } from '../common/confirm';
import { Command } from '../common/copy_button';
import { formatBytes, plural, shortDigest } from '../common/format';
import { Loaded, Nothing } from '../common/state';
import { type Order, type Repository, type Tag, deleteRepository, deleteTag, useRepository, useTags } from './api';
import { Pager, useExistingPage } from './pager';
import { imageName, toManifest } from './places';
import { Trail } from './trail';

const platformsShown = 3;

function Platforms({ tag }: { tag: Tag }) {
  const all = tag.platforms ?? [];
  return (
    <Group gap={4}>
      {tag.kind === 'artifact' && <Badge variant="light" color="grape">artifact</Badge>}
      {all.slice(0, platformsShown).map((platform) => (
        <Badge key={platform} variant="light" tt="none">
          {platform}
        </Badge>
      ))}
      {all.length > platformsShown && <Text size="xs">and {all.length - platformsShown} more</Text>}
    </Group>
  );
}

interface RowProperties {
  name: string;
  tag: Tag;
  chosen: boolean;
  onChoose?: (tag: string, chosen: boolean) => void;
}

function Row({ name, tag, chosen, onChoose }: RowProperties) {
  return (
    <Table.Tr>
      {onChoose && (
        <Table.Td>
          <Checkbox aria-label={`Select ${tag.tag}`} checked={chosen} onChange={(event) => onChoose(tag.tag, event.currentTarget.checked)} />
        </Table.Td>
      )}
      <Table.Td className="wide">
        <Anchor component={Link} href={toManifest(name, tag.tag)}>
          {tag.tag}
        </Anchor>
      </Table.Td>
      <Table.Td>
        <span className="digest" title={tag.digest}>
          {tag.digest && shortDigest(tag.digest)}
        </span>
      </Table.Td>
      <Table.Td>
        <Platforms tag={tag} />
      </Table.Td>
      <Table.Td ta="right">{tag.size != null && formatBytes(tag.size)}</Table.Td>
      <Table.Td ta="right">
        <Age time={tag.changed} />
      </Table.Td>
    </Table.Tr>
  );
}

function Tags({ repository, onAsk }: { repository: Repository; onAsk: (question: Question) => void }) {
  const { name } = repository;
  const [search, setSearch] = useState('');
  const [order, setOrder] = useState<Order>('newest');
  const [page, setPage] = useState(1);
  const [chosen, setChosen] = useState<string[]>([]);
  const [wanted] = useDebouncedValue(search.trim(), 200);
  const query = useTags(name, wanted, order, page);
  useExistingPage(query.data?.total, page, setPage);
  // What is not in sight any more is not selected any more.
  useEffect(() => setChosen([]), [wanted, order, page]);
  const choose = (tag: string, on: boolean) => setChosen(on ? [...chosen, tag] : chosen.filter((one) => one !== tag));
  const askForTags = () =>
    onAsk({
      title: `Delete ${plural(chosen.length, 'tag')}?`,
      text: 'What they stand for stays under its digest, until it is collected as garbage.',
      items: chosen,
      button: 'Delete',
      act: async () => {
        for (const tag of chosen) {
          await deleteTag(name, tag);
          setChosen((before) => before.filter((one) => one !== tag));
        }
      },
    });
  return (
    <Stack>
      <Group justify="space-between" align="end">
        <TextInput
          flex={1}
          placeholder="Search tags"
          aria-label="Search tags"
          value={search}
          onChange={(event) => {
            setSearch(event.currentTarget.value);
            setPage(1);
          }}
        />
        <SegmentedControl
          aria-label="Order"
          value={order}
          onChange={(value) => {
            setOrder(value as Order);
            setPage(1);
          }}
          data={[
            { value: 'newest', label: 'Newest first' },
            { value: 'name', label: 'By name' },
          ]}
        />
        {repository.mayDelete && (
          <Button color="red" variant="light" disabled={chosen.length === 0} onClick={askForTags}>
            Delete tags
          </Button>
        )}
      </Group>
      <Loaded query={query}>
        {({ total, tags }) =>
          total === 0 ? (
            <Nothing>{wanted ? 'No tag has this in its name.' : 'There is no tag here.'}</Nothing>
          ) : (
            <>
              {tags[0] && tags[0].kind !== 'artifact' && <Command text={`docker pull ${imageName(name, tags[0].tag)}`} />}
              <Table.ScrollContainer minWidth={650}>
                <Table highlightOnHover>
                  <Table.Thead>
                    <Table.Tr>
                      {repository.mayDelete && (
                        <Table.Th w={40}>
                          <VisuallyHidden>Select</VisuallyHidden>
                        </Table.Th>
                      )}
                      <Table.Th>Tag</Table.Th>
                      <Table.Th>Digest</Table.Th>
                      <Table.Th>Platforms</Table.Th>
                      <Table.Th ta="right">Size</Table.Th>
                      <Table.Th ta="right">Changed</Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {tags.map((tag) => (
                      <Row key={tag.tag} name={name} tag={tag} chosen={chosen.includes(tag.tag)} onChoose={repository.mayDelete ? choose : undefined} />
                    ))}
                  </Table.Tbody>
                </Table>
              </Table.ScrollContainer>
              <Pager total={total} word="tag" page={page} onChange={setPage} />
            </>
          )
        }
      </Loaded>
    </Stack>
  );
}

export function RepositoryPage({ name }: { name: string }) {
  const queries = useQueryClient();
  const [, go] = useLocation();
  const [question, setQuestion] = useState<Question>();
  const query = useRepository(name);
  const ask = (asked: Question) =>
    setQuestion({
      ...asked,
      act: async () => {
        try {
          await asked.act();
        } finally {
          await queries.invalidateQueries();
        }
      },
    });
  const askForAll = (repository: Repository) =>
    setQuestion({
      title: `Delete ${name}?`,
      text: `All of it goes: ${plural(repository.tags ?? 0, 'tag')} and every manifest. There is no way back.`,
      button: 'Delete repository',
      word: name,
      act: async () => {
        await deleteRepository(name);
        queries.removeQueries({ queryKey: ['repositories'] }); // the list must not show it for another moment
        go('/');
        queries.removeQueries({ queryKey: ['repository', name] });
        await queries.invalidateQueries();
      },
    });
  return (
    <Stack>
      <Trail name={name} />
      <Loaded query={query}>
        {(repository) => (
          <>
            <Group justify="space-between">
              <div>
                <Title order={2} className="wide">
                  {name}
                </Title>
                <Text c="dimmed" size="sm">
                  {plural(repository.tags ?? 0, 'tag')}, {formatBytes(repository.bytes ?? 0)}
                </Text>
              </div>
              {repository.mayDelete && (
                <Button color="red" variant="subtle" onClick={() => askForAll(repository)}>
                  Delete repository
                </Button>
              )}
            </Group>
            <Tags repository={repository} onAsk={ask} />
          </>
        )}
      </Loaded>
      {question && <Confirm question={question} onClose={() => setQuestion(undefined)} />}
    </Stack>
  );
}

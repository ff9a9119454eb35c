// What the tabs of a manifest show.
import { Anchor, Stack, Table, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { formatBytes, formatTime, shortDigest } from '../common/format';
import { Loaded, Nothing } from '../common/state';
import { type Child, type ImageConfig, type Layer, type Manifest, useReferrers } from './api';
import { toManifest } from './places';

function Grid({ heads, children }: { heads: string[]; children: ReactNode }) {
  return (
    <Table.ScrollContainer minWidth={500}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            {heads.map((head) => (
              <Table.Th key={head}>{head}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{children}</Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function DigestLink({ name, digest }: { name: string; digest: string }) {
  return (
    <Anchor component={Link} href={toManifest(name, digest)} className="digest">
      <span title={digest}>{shortDigest(digest)}</span>
    </Anchor>
  );
}

export function LayersTable({ layers }: { layers: Layer[] }) {
  if (layers.length === 0) return <Nothing>It has no layers.</Nothing>;
  return (
    <Grid heads={['No.', 'Digest', 'Size', 'Made by']}>
      {layers.map((layer, index) => (
        <Table.Tr key={`${index} ${layer.digest}`}>
          <Table.Td>{index + 1}</Table.Td>
          <Table.Td>
            <span className="digest" title={layer.digest}>
              {shortDigest(layer.digest)}
            </span>
          </Table.Td>
          <Table.Td>{formatBytes(layer.size)}</Table.Td>
          <Table.Td className="step">{layer.createdBy || layer.mediaType}</Table.Td>
        </Table.Tr>
      ))}
    </Grid>
  );
}

export function HistoryList({ manifest }: { manifest: Manifest }) {
  return (
    <Grid heads={['Step', 'Layer', 'Size', 'When']}>
      {manifest.history.map((step, index) => {
        const layer = step.layer === null ? undefined : manifest.layers[step.layer];
        return (
          <Table.Tr key={index}>
            <Table.Td className="step">
              {step.createdBy}
              {step.comment && (
                <Text size="xs" c="dimmed">
                  {step.comment}
                </Text>
              )}
            </Table.Td>
            <Table.Td>{step.layer !== null && step.layer + 1}</Table.Td>
            <Table.Td>{layer && formatBytes(layer.size)}</Table.Td>
            <Table.Td>{formatTime(step.created)}</Table.Td>
          </Table.Tr>
        );
      })}
    </Grid>
  );
}

export function ChildrenTable({ name, manifests }: { name: string; manifests: Child[] }) {
  if (manifests.length === 0) return <Nothing>It names no manifest.</Nothing>;
  return (
    <Grid heads={['Platform', 'Digest', 'Size']}>
      {manifests.map((child, index) => (
        <Table.Tr key={`${index} ${child.digest}`}>
          <Table.Td>{child.platform || child.annotations?.['vnd.docker.reference.type'] || child.mediaType}</Table.Td>
          <Table.Td>
            <DigestLink name={name} digest={child.digest} />
          </Table.Td>
          <Table.Td>{child.size !== null && formatBytes(child.size)}</Table.Td>
        </Table.Tr>
      ))}
    </Grid>
  );
}

export function PairsTable({ pairs, none }: { pairs: Record<string, string>; none: string }) {
  const all = Object.entries(pairs);
  if (all.length === 0) return <Nothing>{none}</Nothing>;
  return (
    <Grid heads={['Name', 'Value']}>
      {all.map(([name, value]) => (
        <Table.Tr key={name}>
          <Table.Td className="wide">{name}</Table.Td>
          <Table.Td className="wide">{value}</Table.Td>
        </Table.Tr>
      ))}
    </Grid>
  );
}

export function ConfigTable({ config }: { config: ImageConfig }) {
  const lines: [string, string[]][] = [
    ['Entrypoint', [config.entrypoint.join(' ')]],
    ['Command', [config.cmd.join(' ')]],
    ['User', [config.user]],
    ['Working directory', [config.workingDir]],
    ['Environment', config.env],
    ['Ports', config.ports],
    ['Volumes', config.volumes],
    ['Stop signal', [config.stopSignal]],
    ['Health check', [config.healthcheck.join(' ')]],
    ['Author', [config.author]],
    ['Labels', Object.entries(config.labels).map(([name, value]) => `${name}=${value}`)],
  ];
  return (
    <Grid heads={['What', 'Value']}>
      {lines
        .filter(([, values]) => values.some((value) => value !== ''))
        .map(([what, values]) => (
          <Table.Tr key={what}>
            <Table.Td>{what}</Table.Td>
            <Table.Td className="step">{values.join('\n')}</Table.Td>
          </Table.Tr>
        ))}
    </Grid>
  );
}

export function Referrers({ name, digest }: { name: string; digest: string }) {
  const query = useReferrers(name, digest);
  return (
    <Loaded query={query}>
      {({ referrers }) =>
        referrers.length === 0 ? (
          <Nothing>Nothing refers to it: no signature, no bill of materials.</Nothing>
        ) : (
          <Stack>
            <Grid heads={['Type', 'Digest', 'Size']}>
              {referrers.map((one) => (
                <Table.Tr key={one.digest}>
                  <Table.Td className="wide">{one.artifactType || one.mediaType}</Table.Td>
                  <Table.Td>
                    <DigestLink name={name} digest={one.digest} />
                  </Table.Td>
                  <Table.Td>{formatBytes(one.size)}</Table.Td>
                </Table.Tr>
              ))}
            </Grid>
          </Stack>
        )
      }
    </Loaded>
  );
}

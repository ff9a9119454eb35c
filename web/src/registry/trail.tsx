import { Anchor, Breadcrumbs, Text } from '@mantine/core';
import { Link } from 'wouter';
import { toRepository } from './places';

/** The way from all repositories to here; `item` is what of the repository is shown. */
export function Trail({ name, item }: { name: string; item?: string }) {
  return (
    <Breadcrumbs>
      <Anchor component={Link} href="/">
        Repositories
      </Anchor>
      {item === undefined ? (
        <Text>{name}</Text>
      ) : (
        <Anchor component={Link} href={toRepository(name)}>
          {name}
        </Anchor>
      )}
      {item !== undefined && <Text className="wide">{item}</Text>}
    </Breadcrumbs>
  );
}

import { Alert, Center, Loader, Text } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { ApiError } from './api';

/** Shows what a query has brought, or that it is under way, or why it failed. */
export function Loaded<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  const asksWho = query.isError && (query.error as ApiError).status === 401;
  if (asksWho && query.data === undefined) return <Nothing>Log in to see this, if it is there and yours to see.</Nothing>;
  const failure = query.isError && (
    <Alert color="red" title={query.data === undefined ? 'This cannot be shown' : 'This may be old'} role="alert">
      {query.error.message}
    </Alert>
  );
  if (query.data !== undefined) {
    return (
      <>
        {failure}
        {children(query.data)}
      </>
    );
  }
  if (failure) return failure;
  return (
    <Center p="xl">
      <Loader aria-label="Loading" />
    </Center>
  );
}

export function Nothing({ children }: { children: ReactNode }) {
  return (
    <Text c="dimmed" ta="center" p="xl">
      {children}
    </Text>
  );
}

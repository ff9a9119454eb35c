import { Group, Pagination, Text } from '@mantine/core';
import { useEffect } from 'react';
import { plural } from '../common/format';
import { pageSize } from './api';

/** Goes back to the last page there is, when what was on this one has gone. */
export function useExistingPage(total: number | undefined, page: number, onChange: (page: number) => void) {
  const last = Math.max(1, Math.ceil((total ?? 0) / pageSize));
  useEffect(() => {
    if (total !== undefined && page > last) onChange(last);
  }, [total, page, last, onChange]);
}

/** How many there are, and the pages to turn when they are more than one shows. */
export function Pager({ total, word, page, onChange }: { total: number; word: string; page: number; onChange: (page: number) => void }) {
  const pages = Math.ceil(total / pageSize);
  return (
    <Group justify="space-between">
      <Text size="sm" c="dimmed" data-testid="total" role="status">
        {plural(total, word)}
      </Text>
      {pages > 1 && <Pagination total={pages} value={page} onChange={onChange} size="sm" getControlProps={(control) => ({ 'aria-label': `${control} page` })} />}
    </Group>
  );
}

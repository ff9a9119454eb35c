import { Group, Pagination, Text } from '@mantine/core';
import { plural } from '../common/format';
import { pageSize } from './api';

/** How many there are, and the pages to turn when they are more than one shows. */
export function Pager({ total, word, page, onChange }: { total: number; word: string; page: number; onChange: (page: number) => void }) {
  const pages = Math.ceil(total / pageSize);
  return (
    <Group justify="space-between">
      <Text size="sm" c="dimmed" data-testid="total">
        {plural(total, word)}
      </Text>
      {pages > 1 && <Pagination total={pages} value={page} onChange={onChange} size="sm" getControlProps={(control) => ({ 'aria-label': `${control} page` })} />}
    </Group>
  );
}

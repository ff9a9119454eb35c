import { Text } from '@mantine/core';
import { formatAge, formatTime } from './format';

/** "3 days ago", and the very time under the pointer. */
export function Age({ time = '' }: { time?: string }) {
  return (
    <Text size="sm" title={formatTime(time)}>
      {formatAge(time)}
    </Text>
  );
}

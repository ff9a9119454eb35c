// Numbers, times and digests as people read them.
const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** 1234567 -> "1.23 MB", in Docker's decimal units. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // What three digits round to 1000 belongs to the next unit.
  while (value >= (unit === 0 ? 1000 : 999.5) && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const text = unit === 0 ? String(value) : value.toPrecision(3);
  return `${text} ${units[unit]}`;
}

const steps: [number, Intl.RelativeTimeFormatUnit][] = [
  [60, 'second'],
  [60, 'minute'],
  [24, 'hour'],
  [30, 'day'],
  [12, 'month'],
  [Number.POSITIVE_INFINITY, 'year'],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** "3 days ago"; "" for no time. */
export function formatAge(time: string, now = Date.now()): string {
  if (!time) return '';
  let value = (Date.parse(time) - now) / 1000;
  for (const [size, unit] of steps) {
    if (Math.abs(Math.round(value)) < size) return relative.format(Math.round(value), unit);
    value /= size;
  }
  return '';
}

export function formatTime(time: string): string {
  return time ? new Date(time).toLocaleString() : '';
}

/** "sha256:0123456789ab" */
export function shortDigest(digest: string): string {
  const colon = digest.indexOf(':');
  return digest.slice(0, colon + 13);
}

/** "1 tag", "2 repositories" */
export function plural(count: number, word: string): string {
  const many = word.endsWith('y') ? `${word.slice(0, -1)}ies` : `${word}s`;
  return `${count.toLocaleString('en')} ${count === 1 ? word : many}`;
}

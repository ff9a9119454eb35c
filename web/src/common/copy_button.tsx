import { Button, Code, Group, Paper, VisuallyHidden } from '@mantine/core';
import { useState } from 'react';

/** Browsers have the clipboard's API for pages of https and localhost only; the old way works everywhere. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.setAttribute('readonly', '');
    area.className = 'offscreen';
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const [state, setState] = useState<'' | 'Copied' | 'Select and copy by hand'>('');
  async function copy() {
    setState((await copyText(text)) ? 'Copied' : 'Select and copy by hand');
    setTimeout(() => setState(''), 2000);
  }
  return (
    <>
      <Button variant="light" size="compact-sm" onClick={copy} aria-label={label}>
        {state || 'Copy'}
      </Button>
      <VisuallyHidden role="status">{state}</VisuallyHidden>
    </>
  );
}

/** A command to run in a terminal, with a button that copies it. */
export function Command({ text }: { text: string }) {
  return (
    <Paper withBorder p="xs" radius="md" data-testid="command">
      <Group justify="space-between" wrap="nowrap">
        <Code className="command">{text}</Code>
        <CopyButton text={text} label={`Copy: ${text}`} />
      </Group>
    </Paper>
  );
}

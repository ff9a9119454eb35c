import { Alert, Button, Group, List, Modal, ScrollArea, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';

export interface Question {
  title: string;
  text: string;
  /** What goes, by name; `total` when there is more of it. */
  items?: string[];
  total?: number;
  button: string;
  /** Has to be typed first; for what is large. */
  word?: string;
  act: () => Promise<unknown>;
}

/** Asks before something is deleted; says so when that failed. */
export function Confirm({ question, onClose }: { question: Question; onClose: () => void }) {
  const [typed, setTyped] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState('');
  async function act() {
    setBusy(true);
    setFailure('');
    try {
      await question.act();
      onClose();
    } catch (error) {
      setFailure((error as Error).message);
      setBusy(false);
    }
  }
  const items = question.items ?? [];
  const more = (question.total ?? items.length) - items.length;
  return (
    <Modal opened onClose={onClose} title={question.title} centered closeOnEscape={!busy} closeOnClickOutside={!busy} withCloseButton={!busy}>
      <Stack gap="md">
        <Text size="sm">{question.text}</Text>
        {items.length > 0 && (
          <ScrollArea.Autosize mah={240}>
            <List size="sm">
              {items.map((item) => (
                <List.Item key={item}>{item}</List.Item>
              ))}
              {more > 0 && <List.Item>and {more.toLocaleString('en')} more</List.Item>}
            </List>
          </ScrollArea.Autosize>
        )}
        {question.word && (
          <TextInput
            label={`Type ${question.word} to go on`}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            data-autofocus
          />
        )}
        {failure && (
          <Alert color="red" role="alert">
            {failure}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} disabled={busy}>
            Cancel
          </Button>
          <Button color="red" loading={busy} disabled={question.word !== undefined && typed !== question.word} onClick={act}>
            {question.button}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

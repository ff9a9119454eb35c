// Where things are in this page: what follows the '#' of its address.
import { useRoute } from 'wouter';

const encode = (text: string) => encodeURIComponent(text);

export const toRepository = (name: string) => `/r/${encode(name)}`;
/** `reference` is a tag or a digest. */
export const toManifest = (name: string, reference: string) => `/r/${encode(name)}/${encode(reference)}`;

export function usePlace(): { name?: string; reference?: string } {
  const [, manifest] = useRoute('/r/:name/:reference');
  const [, repository] = useRoute('/r/:name');
  const found = manifest ?? repository;
  if (!found) return {};
  try {
    return {
      name: decodeURIComponent(found.name),
      reference: manifest ? decodeURIComponent(manifest.reference) : undefined,
    };
  } catch {
    return { name: found.name }; // not an address of ours: the server says that it has no such name
  }
}

/** "registry.example:5000/team/app:1.0" */
export function imageName(name: string, reference: string): string {
  const separator = reference.includes(':') ? '@' : ':';
  return `${window.location.host}/${name}${separator}${reference}`;
}

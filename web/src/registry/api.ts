// What the registry's /api/ answers, and the queries of the pages.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type ApiError, request } from '../common/api';

export interface Session {
  user: string;
  admin: boolean;
  /** There are users; without them everybody may do everything. */
  accounts: boolean;
  version: string;
}

export interface Repository {
  name: string;
  tags?: number;
  bytes?: number;
  changed?: string;
  mayDelete?: boolean;
}

export interface Summary {
  digest: string;
  mediaType: string;
  kind: 'image' | 'index' | 'artifact';
  /** null when the server could not look at all of it. */
  size: number | null;
  platforms: string[];
  created: string;
}

export type Tag = { tag: string; changed?: string } & Partial<Summary>;

export interface Layer {
  digest: string;
  mediaType: string;
  size: number;
  createdBy: string;
}

export interface Step {
  created: string;
  createdBy: string;
  comment: string;
  /** Its place among the layers; null when it made none. */
  layer: number | null;
}

export interface ImageConfig {
  author: string;
  user: string;
  workingDir: string;
  entrypoint: string[];
  cmd: string[];
  env: string[];
  ports: string[];
  volumes: string[];
  labels: Record<string, string>;
  stopSignal: string;
  healthcheck: string[];
}

export interface Child {
  digest: string;
  mediaType: string;
  platform: string;
  size: number | null;
  annotations?: Record<string, string>;
}

export type Manifest = Summary & {
  annotations: Record<string, string>;
  subject: string;
  artifactType: string;
  config: ImageConfig | null;
  layers: Layer[];
  history: Step[];
  manifests: Child[];
};

export interface Referrer {
  digest: string;
  mediaType: string;
  size: number;
  artifactType: string;
  annotations: Record<string, string>;
}

export type Order = 'name' | 'newest';
export const pageSize = 50;

export const useSession = () =>
  useQuery({ queryKey: ['session'], queryFn: () => request<Session>('GET', '/api/session') });

export const logIn = (name: string, password: string) =>
  request<Session>('POST', '/api/session', {}, { name, password });
export const logOut = () => request<Session>('DELETE', '/api/session');

export const useRepositories = (search: string, page: number) =>
  useQuery({
    queryKey: ['repositories', search, page],
    placeholderData: keepPreviousData,
    queryFn: () =>
      request<{ total: number; repositories: Repository[] }>('GET', '/api/repositories', {
        search,
        offset: (page - 1) * pageSize,
        n: pageSize,
      }),
  });

export const useRepository = (name: string) =>
  useQuery({
    queryKey: ['repository', name],
    queryFn: () => request<Repository>('GET', '/api/repository', { name }),
  });

export const useTags = (name: string, search: string, order: Order, page: number) =>
  useQuery({
    queryKey: ['repository', name, 'tags', search, order, page],
    placeholderData: keepPreviousData,
    queryFn: () =>
      request<{ total: number; tags: Tag[] }>('GET', '/api/tags', {
        name,
        search,
        order,
        offset: (page - 1) * pageSize,
        n: pageSize,
      }),
  });

export const tagsOf = (name: string, digest: string) =>
  request<{ total: number; tags: Tag[] }>('GET', '/api/tags', { name, digest, n: 100 });

export const useManifest = (name: string, reference: string) =>
  useQuery({
    queryKey: ['repository', name, 'manifest', reference],
    queryFn: () => request<Manifest>('GET', '/api/manifest', { name, reference }),
  });

export const useReferrers = (name: string, digest: string) =>
  useQuery({
    queryKey: ['repository', name, 'referrers', digest],
    queryFn: () => request<{ referrers: Referrer[] }>('GET', '/api/referrers', { name, digest }),
  });

/** A tag goes alone; a digest takes its tags along. */
export const deleteManifest = (name: string, reference: string) =>
  request('DELETE', '/api/manifest', { name, reference });
/** One that is not there any more is as good as deleted. */
export async function deleteTag(name: string, tag: string) {
  try {
    await deleteManifest(name, tag);
  } catch (error) {
    if ((error as ApiError).status !== 404) throw error;
  }
}
export const deleteRepository = (name: string) => request('DELETE', '/api/repository', { name });

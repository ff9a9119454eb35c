import '@mantine/core/styles.css';
import './page.css';
import { MantineProvider, createTheme } from '@mantine/core';
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { setNonce } from 'get-nonce';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { useHashLocation } from 'wouter/use-hash-location';
import { ApiError } from '../common/api';
import type { Session } from './api';
import { App } from './app';

const nonce = document.querySelector<HTMLMetaElement>('meta[name=style-nonce]')?.content ?? '';
setNonce(nonce); // of the styles that keep a page behind a window from scrolling

const theme = createTheme({
  primaryColor: 'blue',
  fontFamily: 'system-ui, "DejaVu Sans", sans-serif',
  cursorType: 'pointer',
});

// What the server refuses it refuses again; only one that did not answer is asked once more. When it asks who this is, the
// log-in has ended: then that is looked up anew.
const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      const ended = (error as ApiError).status === 401 && queries.getQueryData<Session>(['session'])?.user;
      if (ended && query.queryKey[0] !== 'session') void queries.invalidateQueries({ queryKey: ['session'] });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      retry: (count, error) => count < 2 && (error as ApiError).status === 0,
    },
  },
});

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <QueryClientProvider client={queries}>
        <Router hook={useHashLocation}>
          <App />
        </Router>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);

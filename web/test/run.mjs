// Runs one scenario of scenarios.mjs in Chromium against a registry that is up, and fails with what went wrong, be it
// only a message on the browser's console. Usage: node run.mjs SCENARIO ADDRESS JSON-OF-FACTS
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { scenarios } from './scenarios.mjs';

const [name, address, facts] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'shoal-page-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--no-proxy-server'],
  ignoreHTTPSErrors: true,
  viewport: { width: 1200, height: 900 },
});
const complaints = [];
let failure;
try {
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(20_000);
  page.on('console', (message) => {
    // An answer of 4xx is told by the page itself; the browser mentions each of them here, too.
    const told = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !told) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(address) && !request.url().startsWith('data:')) complaints.push(`a request to ${request.url()}`);
  });
  try {
    await scenarios[name]({ page, context, address, facts: JSON.parse(facts ?? '{}') });
  } catch (error) {
    failure = error;
    console.error(await page.locator('body').innerText().catch(() => ''));
  }
} finally {
  await context.close();
  rmSync(profile, { recursive: true, force: true });
}
if (failure) throw failure;
if (complaints.length > 0) throw new Error(complaints.join('\n'));

// What a person does with the registry's page, and sees. Facts come from test/e2e/test_registry_page.py.
import assert from 'node:assert/strict';

async function open(page, address, hash = '') {
  await page.goto(`${address}/${hash}`);
  await page.getByRole('banner').waitFor();
}

async function logIn(page, name, password) {
  await page.getByRole('button', { name: 'Log in' }).click();
  const window = page.getByRole('dialog');
  await window.getByLabel('Name').fill(name);
  await window.locator('input[type=password]').fill(password);
  await window.getByRole('button', { name: 'Log in' }).click();
}

const row = (page, text) => page.getByRole('row').filter({ hasText: text });
const manifestAddress = (name, reference) => `#/r/${encodeURIComponent(name)}/${encodeURIComponent(reference)}`;
const scheme = (page, wanted) => page.locator(`html[data-mantine-color-scheme=${wanted}]`).waitFor();
const background = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

export const scenarios = {
  async browse({ page, address, facts }) {
    await open(page, address);
    await row(page, 'team/app').getByText('2', { exact: true }).waitFor();
    await page.getByLabel('Search repositories').fill('OTHER');
    await row(page, 'other/tool').waitFor();
    await row(page, 'team/app').waitFor({ state: 'detached' });
    await page.getByLabel('Search repositories').fill('no such');
    await page.getByText('No repository has this in its name.').waitFor();
    await page.getByLabel('Search repositories').fill('');
    await page.getByRole('link', { name: 'team/app' }).click();
    await page.getByText(`docker pull ${new URL(address).host}/team/app:many`, { exact: true }).waitFor();
    const tag = row(page, 'v1');
    await tag.getByText('linux/arm64/v8').waitFor();
    await tag.getByText(facts.size).waitFor();
    await page.getByRole('link', { name: 'v1', exact: true }).click();
    await page.getByTestId('digest').getByText(facts.digest).waitFor();
    await page.getByText(`docker pull ${new URL(address).host}/team/app:v1`, { exact: true }).waitFor();
    await page.getByText(`docker pull ${new URL(address).host}/team/app@${facts.digest}`).waitFor();
    await row(page, 'ADD rootfs').getByText(facts.layerSize).waitFor();
    await page.getByRole('tab', { name: 'History' }).click();
    await page.getByRole('cell', { name: 'ENV A=b' }).waitFor();
    await page.getByRole('tab', { name: 'Configuration' }).click();
    await page.getByText('maker=somebody').waitFor();
    await page.getByRole('tab', { name: 'Annotations' }).click();
    await row(page, 'org.example.note').getByText('a note').waitFor();
    await page.getByRole('tab', { name: 'Referrers' }).click();
    await page.getByText('application/vnd.example.sbom').waitFor();
    await page.getByRole('table').getByRole('link').click();
    await page.getByText('Artifact', { exact: true }).waitFor();
    await page.getByText('Refers to').waitFor();
    await page.goBack();
    await page.getByTestId('digest').getByText(facts.digest).waitFor();
  },

  async index({ page, address, facts }) {
    await open(page, address, manifestAddress('team/app', 'many'));
    await page.getByText('Image index').waitFor();
    await row(page, 'linux/arm64/v8').waitFor();
    await row(page, 'attestation-manifest').waitFor();
    await row(page, 'linux/arm64/v8').getByRole('link').click();
    await page.getByTestId('digest').getByText(facts.digest).waitFor();
  },

  /** A user's way in and out; what he may not see he does not. */
  async logIn({ page, address, facts }) {
    await open(page, address);
    await open(page, address, '#/r/team%2Fapp');
    await page.getByText('Log in to see this').waitFor();
    await open(page, address);
    await page.getByText('Log in to see the repositories').waitFor();
    await logIn(page, facts.name, 'wrong');
    await page.getByRole('alert').getByText('incorrect username or password').waitFor();
    await page.keyboard.press('Escape');
    await logIn(page, facts.name, facts.password);
    await row(page, 'team/app').waitFor();
    assert.equal(await row(page, 'other/tool').count(), 0);
    await page.reload();
    await row(page, 'team/app').waitFor();
    await page.getByRole('link', { name: 'team/app' }).click();
    await row(page, 'v1').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Delete repository' }).count(), 0);
    assert.equal(await page.getByRole('checkbox').count(), 0);
    await open(page, address, '#/r/other%2Ftool');
    await page.getByRole('alert').getByText('This cannot be shown').waitFor();
    assert.equal(await page.evaluate(() => document.cookie), '');
    await page.getByRole('button', { name: facts.name }).click();
    await page.getByRole('menuitem', { name: 'Log out' }).click();
    await open(page, address);
    await page.getByText('Log in to see the repositories').waitFor();
  },

  async deleteThings({ page, address, facts }) {
    await open(page, address);
    await logIn(page, facts.name, facts.password);
    await page.getByRole('link', { name: 'team/gone' }).click();
    await page.getByLabel('Select a1', { exact: true }).click();
    await page.getByLabel('Select a2', { exact: true }).click();
    await page.getByRole('button', { name: 'Delete tags' }).click();
    const window = page.getByRole('dialog');
    await window.getByText('Delete 2 tags?').waitFor();
    await window.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Delete tags' }).click();
    await window.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('link', { name: 'a1', exact: true }).waitFor({ state: 'detached' });
    await page.getByRole('link', { name: 'b1', exact: true }).click();
    await page.getByTestId('digest').waitFor();
    await page.getByRole('button', { name: 'Delete', exact: true }).click();
    await window.getByText('2 tags go along').waitFor();
    await window.getByRole('listitem').filter({ hasText: 'b2' }).waitFor();
    await window.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('link', { name: 'c1', exact: true }).waitFor();
    await page.getByRole('link', { name: 'b1', exact: true }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Delete repository' }).click();
    assert.equal(await window.getByRole('button', { name: 'Delete repository' }).isDisabled(), true);
    await window.getByLabel('Type team/gone to go on').fill('team/gone');
    await window.getByRole('button', { name: 'Delete repository' }).click();
    await page.getByRole('heading', { name: 'Repositories' }).waitFor();
    await row(page, 'team/app').waitFor();
    await row(page, 'team/gone').waitFor({ state: 'detached' });
  },

  async manyTags({ page, address, facts }) {
    await open(page, address, '#/r/big');
    await page.getByTestId('total').getByText('10,000 tags').waitFor();
    await page.getByText('By name').click();
    await row(page, 't00000').waitFor();
    assert.equal(await page.getByRole('row').count(), 51);
    await page.getByRole('button', { name: '200', exact: true }).click();
    await row(page, 't09999').waitFor();
    await page.getByLabel('Search tags').fill('t0500');
    await page.getByTestId('total').getByText('10 tags').waitFor();
    await page.getByText('Newest first').click();
    await page.getByLabel('Search tags').fill('');
    await row(page, facts.newest).waitFor();
    assert.match(await page.getByRole('row').nth(1).innerText(), new RegExp(facts.newest));
  },

  async colours({ page, address }) {
    await page.emulateMedia({ colorScheme: 'dark' });
    await open(page, address);
    await scheme(page, 'dark');
    const dark = await background(page);
    await page.emulateMedia({ colorScheme: 'light' });
    await scheme(page, 'light');
    assert.notEqual(await background(page), dark);
    await page.getByRole('button', { name: 'Switch to dark colours' }).click();
    await scheme(page, 'dark');
    await page.reload();
    await page.getByRole('button', { name: 'Switch to light colours' }).waitFor();
    await scheme(page, 'dark');
    assert.equal(await background(page), dark);
  },

  async copies({ page, context, address }) {
    await open(page, address, '#/r/team%2Fapp');
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: /^Copy: docker pull/ }).click();
    await page.getByRole('status').filter({ hasText: 'Copied' }).waitFor({ state: 'attached' });
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `docker pull ${new URL(address).host}/team/app:many`);
  },

  /** A strange page may link to this one, but not ask it for anything. */
  async strangers({ page, context, address, facts }) {
    await context.route('http://stranger.test/**', (route) =>
      route.fulfill({ contentType: 'text/html', body: `<a href="${address}/">there</a>` }),
    );
    await open(page, address);
    const other = await context.newPage();
    await other.goto('http://stranger.test/');
    const asked = await other.evaluate(async (to) => {
      try {
        const answer = await fetch(to, { mode: 'no-cors', credentials: 'include' });
        return answer.type;
      } catch (error) {
        return String(error);
      }
    }, `${address}/api/repositories`);
    assert.ok(asked === 'opaque' || asked.includes('TypeError'), asked);
    await other.getByRole('link').click();
    await other.getByRole('banner').waitFor();
    assert.ok(facts);
  },

  /** Text that somebody pushed is text. */
  async hostileNames({ page, address }) {
    await open(page, address, manifestAddress('team/hostile', 'v1'));
    await page.getByText('<img src=x onerror=alert(1)>').first().waitFor();
    await page.getByRole('tab', { name: 'Annotations' }).click();
    await page.getByText('<script>alert(2)</script>').waitFor();
    assert.equal(await page.locator('img').count(), 0);
  },
};

// Writes assets.cpp: every file of a built directory as bytes of the program, found by its path.
// Usage: node embed.mjs DIRECTORY OUTPUT-DIRECTORY
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

function* walk(directory, below = '') {
  for (const entry of readdirSync(join(directory, below), { withFileTypes: true })) {
    const path = `${below}/${entry.name}`;
    if (entry.isDirectory()) yield* walk(directory, path);
    else yield path;
  }
}

function embed(path, index) {
  const type = types[extname(path)];
  if (!type) throw new Error(`${path}: no type is known for it`);
  const bytes = readFileSync(join(source, path));
  const gzip = extname(path) !== '.html';
  const packed = gzip ? gzipSync(bytes, { level: 9 }) : bytes;
  const file = join(output, 'bytes', String(index));
  writeFileSync(file, packed);
  const hash = createHash('sha256').update(packed).digest('hex').slice(0, 16);
  return {
    data: `    ".global shoal_web_${index}\\nshoal_web_${index}:\\n.incbin \\"${file}\\"\\n.byte 0\\n"`,
    symbol: `extern const char shoal_web_${index}[];`,
    row: `    {"${path}", "${type}", "${hash}", {shoal_web_${index}, ${packed.length}}, ${gzip}},`,
  };
}

const [source, output] = process.argv.slice(2).map((path) => resolve(path));
rmSync(join(output, 'bytes'), { recursive: true, force: true });
mkdirSync(join(output, 'bytes'));
const assets = [...walk(source)].sort().map(embed);
writeFileSync(
  join(output, 'assets.cpp'),
  `// Made by web/embed.mjs.
#include "web/assets.h"

asm(".section .rodata\\n"
${assets.map((a) => a.data).join('\n')}
    ".previous\\n");

extern "C" {
${assets.map((a) => a.symbol).join('\n')}
}

namespace shoal::web {

const Asset* find_asset(std::string_view path) {
  static const Asset assets[] = {
${assets.map((a) => a.row).join('\n')}
  };
  for (const auto& asset : assets) {
    if (asset.path == path) { return &asset; }
  }
  return nullptr;
}

} // namespace shoal::web
`,
);

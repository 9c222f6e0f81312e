// A Go program: esbuild's riscv64 binary, as npm has it, bundles a project inside the guest; the bundle then runs in this Node.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { boot } from '../dist/index.js';

const PACKAGE = '@esbuild/linux-riscv64@0.25.12';
const SHA256 = '492c1c1978eb90fcef32643d666b278af5ae61e0b792f118e5ac34f2b19eb09a';

/** The binary; npm unpacks it, since its own platform check refuses to install it here. */
function esbuild(dir) {
  const shell = { encoding: 'utf8', shell: process.platform === 'win32' };
  const [{ filename }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', dir, PACKAGE], shell));
  execFileSync('tar', ['xzf', join(dir, filename), '-C', dir]);
  const binary = readFileSync(join(dir, 'package/bin/esbuild'));
  assert.equal(createHash('sha256').update(binary).digest('hex'), SHA256);
  return binary;
}

test('esbuild bundles a project of 30 modules', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'lintel-go-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const vm = await boot({ image: 'base', memory: '512M', cpus: 2, seed: 1 });
  vm.writeFile('/bin/esbuild', esbuild(dir));
  await vm.run(['sh', '-c', 'chmod +x /bin/esbuild; mkdir -p /p/lib']);
  for (let i = 0; i < 30; i++)
    vm.writeFile(`/p/lib/m${i}.ts`, `${i < 29 ? `import { f as next } from './m${i + 1}';` : 'const next = (x: number): number => x;'}
export const f = (x: number): number => next(x + ${i});
export const unused${i} = 'never used';\n`);
  vm.writeFile('/p/main.ts', "import { f } from './lib/m0';\nexport const answer: number = f(1);\n");
  const options = ['--bundle', '--minify', '--format=cjs', '--outfile=/p/out.js', '--sourcemap'];
  const r = await vm.run(['esbuild', '/p/main.ts', ...options], { timeout: 60_000 });
  assert.equal(r.exitCode, 0, r.stderr);
  assert.match(r.stderr, /Done in/);
  const bundle = Buffer.from(vm.readFile('/p/out.js')).toString();
  assert.ok(!bundle.includes('never used'));
  const module = { exports: {} };
  new Function('module', 'exports', bundle)(module, module.exports);
  assert.equal(module.exports.answer, 1 + (29 * 30) / 2);
  assert.equal(JSON.parse(Buffer.from(vm.readFile('/p/out.js.map')).toString()).sources.length, 31);

  const bad = await vm.run(['sh', '-c', 'echo "let let = 1" > /p/bad.js; esbuild /p/bad.js'], { timeout: 60_000 });
  assert.equal(bad.exitCode, 1);
  assert.match(bad.stderr, /\[ERROR\]/);
  await vm[Symbol.asyncDispose]();
});

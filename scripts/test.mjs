// npm test: build, lint, then every test under dist with node:test. Closes with "N passed, N failed".
// Arguments narrow the run: `npm test -- fs pipe` runs the test files whose path contains one of the words.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const words = process.argv.slice(2);

function must(label, command, args) {
  const r = spawnSync(command, args, { stdio: 'inherit' });
  if (r.status === 0) return;
  console.log(`${label} failed`);
  console.log('0 passed, 1 failed');
  process.exit(1);
}
rmSync('dist', { recursive: true, force: true }); // a deleted source must not leave its test behind
must('build', process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);
if (words.length === 0) {
  must('lint', process.execPath, ['node_modules/@biomejs/biome/bin/biome', 'lint', '--error-on-warnings', '.']);
  must('import rule', process.execPath, ['scripts/check-imports.mjs']);
}

function testsUnder(dir, suffix) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true })
    .filter((f) => f.endsWith(suffix))
    .map((f) => join(dir, f));
}
const files = [...testsUnder('dist', '.test.js'), ...testsUnder('tests', '.test.mjs')]
  .sort()
  .filter((f) => words.length === 0 || words.some((w) => f.includes(w)));
if (files.length === 0) {
  // node --test without a file would run everything it can find.
  console.log(`no test file matches ${words.join(' ')}`);
  console.log('0 passed, 1 failed');
  process.exit(1);
}
// The command that users start; the other tests take the modules as tsc wrote them.
// examples/driver imports the package as its users do.
if (files.some((f) => /cli\.test|module_build/.test(f))) must('bundle', process.execPath, ['scripts/bundle.mjs']);

const child = spawn(process.execPath, ['--test', '--test-concurrency=2', '--test-reporter=tap', ...files], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
let rest = '';
let passed = 0;
let failed = 0;
let skipped = 0;
let failing = 0; // lines of a failure's YAML block still to show
child.stdout.setEncoding('utf8');
child.stdout.on('data', (chunk) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const line of lines) {
    const m = /^(\s*)(not )?ok \d+ - (.*)$/.exec(line);
    if (m) {
      failing = m[2] ? 60 : 0;
      if (m[2] || m[1] === '') console.log(line);
    } else if (failing > 0) {
      if (/^\s*\.\.\.\s*$/.test(line)) failing = 0;
      else {
        console.log(line);
        failing--;
      }
    }
    const total = /^# (pass|fail|cancelled|skipped) (\d+)/.exec(line);
    if (total?.[1] === 'pass') passed = Number(total[2]);
    if (total?.[1] === 'fail' || total?.[1] === 'cancelled') failed += Number(total[2]);
    if (total?.[1] === 'skipped') skipped = Number(total[2]);
  }
});
child.on('close', (code) => {
  if (code !== 0 && failed === 0) failed = 1;
  if (passed + failed === 0) failed = 1;
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exit(failed > 0 ? 1 : 0);
});

// node tests/diff/run.mjs [-v] [--debian] [NAME...]: runs the cases (or those whose name contains one of the words) in Lintel and shows how they differ from
// what real Linux answered. For work on the kernel; busybox.test.mjs is the test.
import { compare, readCases, Session, SUITES } from './suite.mjs';

const words = process.argv.slice(2).filter((w) => !w.startsWith('-'));
const suite = process.argv.includes('--debian') ? SUITES.debian : SUITES.busybox;
const verbose = process.argv.includes('-v');
const session = await Session.start(suite);
const failed = [];
let n = 0;
for (const c of readCases(suite)) {
  if (words.length > 0 && !words.some((w) => c.name.includes(w))) continue;
  n++;
  const started = performance.now();
  const verdict = compare(c.name, await session.run(c), suite);
  const ms = Math.round(performance.now() - started);
  if (verbose || ms > 5000) console.log(`${c.name}: ${verdict.same ? 'same' : 'DIFFERENT'} ${ms} ms`);
  if (verdict.same && verdict.reason !== null) console.log(`${c.name}: agrees now, though exceptions.json lists it`);
  if (verdict.same || (verdict.reason !== null && !verbose)) continue;
  failed.push(c.name);
  console.log(`--- ${c.name}\n${verdict.text}`);
}
await session.close();
console.log(`${n} cases, ${failed.length} different: ${failed.join(' ')}`);
process.exit(failed.length > 0 ? 1 : 0);

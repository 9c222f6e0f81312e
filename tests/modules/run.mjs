// node tests/modules/run.mjs [-v] [-s SET] [WORD...]: runs the cases of all sets, or of one, in Lintel and shows how those whose name contains a word differ from real Linux.
import { allSets, expectations, runAll } from './suite.mjs';

const args = process.argv.slice(2);
const option = args.indexOf('-s');
const sets = option < 0 ? allSets() : args.splice(option, 2).slice(1);
const words = args.filter((w) => w !== '-v');
const verbose = args.includes('-v');
let different = 0;
for (const set of sets) {
  const { cases, exceptions } = expectations(set);
  for await (const { name, ...actual } of runAll(set)) {
    if (words.length > 0 && !words.some((w) => name.includes(w))) continue;
    const expected = cases[name];
    const same = JSON.stringify(expected) === JSON.stringify(actual);
    if (verbose) console.log(`=== ${name}\n${actual.stdout}${actual.stderr}`);
    if (same || expected === undefined) continue;
    different++;
    console.log(`--- ${name}${exceptions[name] === undefined ? '' : ` (known: ${exceptions[name]})`}`);
    if (expected.exit !== actual.exit) console.log(`exit status: Linux ${expected.exit}, Lintel ${actual.exit}`);
    for (const stream of ['stdout', 'stderr']) {
      const [a, b] = [expected[stream].split('\n'), actual[stream].split('\n')];
      for (let i = 0; i < Math.max(a.length, b.length); i++) {
        if (a[i] !== b[i]) console.log(`${stream} ${i + 1}\n  Linux:  ${a[i]}\n  Lintel: ${b[i]}`);
      }
    }
  }
}
console.log(`${different} differ`);

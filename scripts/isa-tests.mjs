// npm run isa-tests -- DIR: the RISC-V ISA tests (a copy of the riscv-tests repository in DIR) as Linux processes under Lintel, in every
// tier of its machine. Needs riscv64-linux-gnu-gcc, or another compiler in RISCV_CC. Exit status 0 when all pass.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { boot } from '../dist/index.js';

/** The suites for what user mode sees of this machine, with what the assembler must know. (rv64mi, rv64si: no machine mode here.) */
const SUITES = {
  rv64ui: '',
  rv64uc: '',
  rv64um: '',
  rv64ua: '',
  rv64uf: '',
  rv64ud: '',
  rv64uzba: '_zba',
  rv64uzbb: '_zbb',
  rv64uzbs: '_zbs',
  rv64uzicond: '',
};
/** These write code, or data that lies between code. */
const WRITES_TEXT = new Set(['rv64ui/fence_i', 'rv64uc/rvc']);
const CC = process.env.RISCV_CC ?? 'riscv64-linux-gnu-gcc';
const ENVIRONMENT = fileURLToPath(new URL('../tests/guest/isa', import.meta.url));

const dir = process.argv[2];
if (dir === undefined) {
  console.error('usage: npm run isa-tests -- DIR (the riscv-tests repository)');
  process.exit(2);
}
const isa = join(dir, 'isa');
const work = mkdtempSync(join(tmpdir(), 'lintel-isa-'));

function compile(source, name, march) {
  const out = join(work, name.replace('/', '-'));
  const flags = ['-nostdlib', '-nostartfiles', '-static', '-no-pie', '-mcmodel=medany', '-mno-relax', `-march=rv64g${march}`, '-mabi=lp64d'];
  const paths = [`-I${ENVIRONMENT}`, `-I${join(isa, 'macros', 'scalar')}`];
  const script = WRITES_TEXT.has(name) ? [`-Wl,-T,${join(ENVIRONMENT, 'writable_text.ld')}`] : [];
  const r = spawnSync(CC, [...flags, ...paths, ...script, source, '-o', out], { encoding: 'utf8' });
  if (r.status !== 0) throw new Error(`${name}: ${r.error?.message ?? r.stderr}`);
  return { name, image: readFileSync(out) };
}

/** What a harness that cannot fail would pass: case 3 is wrong. */
const WRONG = `#include "riscv_test.h"
#include "test_macros.h"
RVTEST_RV64U
RVTEST_CODE_BEGIN
TEST_RR_OP(2, add, 2, 1, 1);
TEST_RR_OP(3, add, 3, 1, 1);
TEST_PASSFAIL
RVTEST_CODE_END
.data
RVTEST_DATA_BEGIN
TEST_DATA
RVTEST_DATA_END
`;

let failed = 0;
try {
  const tests = [];
  for (const [suite, march] of Object.entries(SUITES))
    for (const file of readdirSync(join(isa, suite)).sort())
      if (file.endsWith('.S')) tests.push(compile(join(isa, suite, file), `${suite}/${file.slice(0, -2)}`, march));
  const wrongSource = join(work, 'wrong.S');
  writeFileSync(wrongSource, WRONG);
  const wrong = compile(wrongSource, 'wrong', '');

  for (const tier of ['cold', 'auto', 'quick', 'hot', 'eager']) {
    const vm = await boot({ seed: 1, tier });
    const run = async ({ image }) => {
      vm.writeFile('/tmp/t', image);
      await vm.run(['chmod', '755', '/tmp/t']);
      const r = await vm.run(['/tmp/t'], { timeout: 600_000 });
      return r.exitCode;
    };
    const control = await run(wrong);
    if (control !== 3) throw new Error(`a test whose case 3 is wrong exits with ${control}`);
    let passed = 0;
    for (const t of tests) {
      const status = await run(t);
      if (status === 0) passed++;
      else {
        failed++;
        console.log(`not ok ${t.name} (${tier}): ${status > 128 ? `signal ${status - 128}` : `case ${status}`}`);
      }
    }
    const { insns } = vm.kernel.machine.translated;
    console.log(`${tier}: ${passed} of ${tests.length} tests pass (${insns} instructions ran translated)`);
    vm.close();
  }
  for (const suite of Object.keys(SUITES)) console.log(`${suite}: ${tests.filter((t) => t.name.startsWith(`${suite}/`)).length} tests`);
} finally {
  rmSync(work, { recursive: true });
}
process.exit(failed > 0 ? 1 : 0);

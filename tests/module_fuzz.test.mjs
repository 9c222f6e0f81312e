// Damaged .ko files (M35): whatever is wrong with one, it is refused or loaded, no exception leaves the kernel, and a refused one leaves nothing behind.
// `npm test` takes a sample; `npm run fuzz-modules` makes 5,000. The number of a mutant is its seed: LINTEL_MUTANT=N tries that one alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boot } from '../dist/index.js';
import { fixtureFiles } from './modules/suite.mjs';
import { sections } from './modules/variants.mjs';

const COUNT = Number(process.env.LINTEL_MUTANTS ?? 120);
const ONE = process.env.LINTEL_MUTANT;
/** Pages that caches may grow by meanwhile. */
const SLACK = 8;

/** Numbers from a seed (xorshift). */
function numbers(seed) {
  let x = Math.imul(seed + 1, 2654435761) >>> 0 || 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}
const LIMITS = [0n, 1n, 2n, 7n, 0xffn, 0xfffn, 0x1000n, 0xffffn, 0x7fffffffn, 0x80000000n, 0xffffffffn, 1n << 40n, 0xffffffff80000000n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n];
/** A field of a table's entry gets a value at some limit, near the old one, or any. */
function damageField(bytes, at, width, number) {
  if (at < 0 || at + width > bytes.length) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let old = 0n;
  for (let i = width - 1; i >= 0; i--) old = (old << 8n) | BigInt(view.getUint8(at + i));
  const any = (BigInt(number(2 ** 32)) << 32n) | BigInt(number(2 ** 32));
  const value = [LIMITS[number(LIMITS.length)], old + BigInt(number(9)) - 4n, any, old ^ (1n << BigInt(number(width * 8)))][number(4)];
  for (let i = 0; i < width; i++) view.setUint8(at + i, Number((value >> BigInt(8 * i)) & 0xffn));
}
function damageEntry(bytes, section, size, fields, number) {
  if (section === undefined || section.size < size) return;
  const entry = section.offset + number(Math.floor(section.size / size)) * size;
  const [at, width] = fields[number(fields.length)];
  damageField(bytes, entry + at, width, number);
}
const EHDR = [[16, 2], [18, 2], [40, 8], [58, 2], [60, 2], [62, 2]]; // prettier-ignore
const SHDR = [[0, 4], [4, 4], [8, 8], [16, 8], [24, 8], [32, 8], [40, 4], [44, 4], [48, 8], [56, 8]]; // prettier-ignore
const SYMBOL = [[0, 4], [4, 1], [5, 1], [6, 2], [8, 8], [16, 8]]; // prettier-ignore
const RELA = [[0, 8], [8, 4], [12, 4], [16, 8]]; // prettier-ignore
const TABLES = /^(\.modinfo|__param|__versions|__ksymtab.*|__kcrctab.*|__bug_table|__ex_table|__jump_table|__dyndbg|\.BTF.*|\.note.*|\.gnu\.linkonce\.this_module|\.strtab|\.shstrtab|\.data\.\.percpu|\.init_array|\.rodata.*|\.data)$/;

function mutantOf(good, i) {
  const number = numbers(i);
  const [name, original] = good[number(good.length)];
  const bytes = new Uint8Array(original);
  const all = sections(original);
  const pick = (test) => {
    const some = all.filter(test);
    return some[number(Math.max(1, some.length))];
  };
  for (let n = 0; n <= number(3); n++) {
    switch (i % 8) {
      case 0:
        for (let flip = 0; flip <= number(6); flip++) bytes[number(bytes.length)] ^= 1 << number(8);
        break;
      case 1:
        return { name, bytes: bytes.subarray(0, number(bytes.length)) };
      case 2: {
        const [at, width] = EHDR[number(EHDR.length)];
        damageField(bytes, at, width, number);
        break;
      }
      case 3: {
        const [at, width] = SHDR[number(SHDR.length)];
        damageField(bytes, all[number(all.length)].header + at, width, number);
        break;
      }
      case 4:
        damageEntry(bytes, pick((s) => s.type === 2), 24, SYMBOL, number);
        break;
      case 5:
        damageEntry(bytes, pick((s) => s.type === 4), 24, RELA, number);
        break;
      default: {
        const s = pick((x) => TABLES.test(x.name) && x.type !== 8 && x.size > 0);
        if (s === undefined) break;
        if (number(2) === 0) bytes[s.offset + number(s.size)] ^= 1 << number(8);
        else damageField(bytes, s.offset + (number(s.size) & ~7), 8, number);
      }
    }
  }
  return { name, bytes };
}

test('damaged modules are refused or loaded, and a refused one leaves nothing behind', async (t) => {
  // What deadlocks, panics or eats memory on purpose says nothing here, nor whose init keeps what it took when it fails.
  const good = ['base', 'core', 'lib', 'drivers', 'dyndbg']
    .flatMap((set) => [...fixtureFiles(set)])
    .filter(([name]) => name.endsWith('.ko') && !/^x_|kc_deadlock|ld_bad|ld_mmap/.test(name));
  let vm = null;
  const count = { loaded: 0, refused: 0, broke: 0 };
  const list = ONE === undefined ? Array.from({ length: COUNT }, (_, i) => i) : [Number(ONE)];
  for (const [n, i] of list.entries()) {
    if (n % 500 === 499) console.error(`# ${n + 1} mutants`);
    if (vm === null) {
      vm = await boot({ seed: 1, memory: '64M' });
      await vm.run(['sh', '-c', 'echo x > /tmp/m.ko; insmod /tmp/m.ko']);
    }
    const { name, bytes } = mutantOf(good, i);
    vm.writeFile('/tmp/m.ko', bytes);
    const { kernel } = vm;
    const shown = () => [...kernel.sysfs.mkdirs('module').children.keys()].join(' ');
    const [pages, dirs] = [kernel.mm.pages.freePages, shown()];
    const warned = kernel.warnCount;
    let r;
    try {
      r = await vm.run(['insmod', '/tmp/m.ko'], { timeout: 400 });
    } catch (e) {
      throw new Error(`mutant ${i} of ${name}`, { cause: e });
    }
    const wrong = `mutant ${i} of ${name}`;
    const { halted } = kernel;
    assert.doesNotMatch(halted?.message ?? '', /internal error/, wrong);
    const ran = halted !== null || r.timedOut || kernel.oopsCount > 0 || kernel.warnCount > warned;
    if (r.exitCode === 0 && !ran) {
      count.loaded++;
      await vm.run(['sh', '-c', 'sed -n "s/ .*//p" /proc/modules | xargs -r rmmod'], { timeout: 400 });
      assert.doesNotMatch(vm.kernel.halted?.message ?? '', /internal error/, wrong);
    } else if (!ran) {
      count.refused++;
      assert.equal(kernel.modules.byAddr.size, 0, `${wrong}: still a module`);
      assert.equal(shown(), dirs, `${wrong}: left in sysfs`);
      if (process.env.LINTEL_MUTANT !== undefined) t.diagnostic(vm.dmesg().split('\n').slice(-8).join('\n'));
      // Page tables of the area for modules stay once they are there: a second try of the same file takes nothing any more.
      if (pages - kernel.mm.pages.freePages >= SLACK) {
        const again = kernel.mm.pages.freePages;
        await vm.run(['insmod', '/tmp/m.ko'], { timeout: 400 });
        const lost = again - kernel.mm.pages.freePages;
        assert.ok(lost < SLACK, `${wrong}: ${lost} pages are gone`);
      }
    } else count.broke++;
    // What a module broke while its code ran stays broken: the next gets a new system.
    if (ran || kernel.halted !== null || kernel.oopsCount > 0 || kernel.modules.byAddr.size > 0) {
      vm.close();
      vm = null;
    }
  }
  vm?.close();
  t.diagnostic(`${list.length} mutants: ${count.loaded} load, ${count.refused} are refused, ${count.broke} ran into their own damage`);
  if (ONE === undefined) assert.ok(count.loaded > 0 && count.refused > 0, 'some load, some are refused');
});

test('a command that code of a module holds in the kernel comes back at its timeout', async () => {
  const bytes = Buffer.from(fixtureFiles('base').get('lt_init.ko'));
  const text = sections(bytes).find((s) => s.name === '.init.text');
  for (let at = text.offset; at < text.offset + text.size; at += 2) bytes.set([0x01, 0xa0], at); // c.j 0: a jump to itself
  const vm = await boot({ seed: 1, memory: '64M' });
  vm.writeFile('/tmp/m.ko', bytes);
  const r = await vm.run(['insmod', '/tmp/m.ko'], { timeout: 100 });
  assert.deepEqual([r.timedOut, r.signal], [true, 9]);
  assert.match(vm.dmesg(), /insmod\[\d+\] does not leave the kernel after SIGKILL: it runs at \w+\+0x[0-9a-f]+\/0x[0-9a-f]+ \[lt_init\]/);
  // Nobody else gets the only CPU any more, and is told in time.
  const next = await vm.run(['true'], { timeout: 100 });
  assert.equal(next.timedOut, true);
  vm.close();
});

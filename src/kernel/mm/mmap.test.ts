import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EACCES, EEXIST, EFAULT, EINVAL, ENOMEM } from '../../abi/errno.ts';
import {
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '../../abi/mman.ts';
import type { File } from '../fs/types.ts';
import { PAGE_SIZE, TASK_SIZE } from './address.ts';
import { AddressSpace } from './filemap.ts';
import { doMadvise } from './madvise.ts';
import { dupMm, mmPut } from './memory.ts';
import { doBrk, doMmap, doMunmap } from './mmap.ts';
import { doMprotect } from './mprotect.ts';
import type { MmStruct } from './mm_struct.ts';
import { doMremap } from './mremap.ts';
import { type MmTestKit, mmTestKit } from './testkit.ts';
import { copyFromUser, copyToUser, strncpyFromUser } from './uaccess.ts';

const RW = PROT_READ | PROT_WRITE;
const ANON = MAP_PRIVATE | MAP_ANONYMOUS;
const BASE = 0x1000_0000;
/** The model works on this many pages from BASE. */
const PAGES = 12;

function fileOf(mapping: AddressSpace): File {
  return {
    op: { mmap: () => mapping },
    mode: 3,
    refs: 1,
    flags: 2,
    pos: 0,
    data: null,
    owner: 0,
    path: { mnt: { flags: 0 } },
    inode: { mapping },
  } as unknown as File;
}

/** What one page of the model is: its protection and its contents. Shared pages are one object. */
interface Cell {
  value: number;
}
interface ModelPage {
  prot: number;
  may: number;
  cell: Cell;
  /** Private view of a file page until the first write. */
  cow: Cell | null;
}
type Model = (ModelPage | null)[];

type Step =
  | { op: 'mmap'; at: number; n: number; prot: number; kind: 'anon' | 'shared' | 'file' | 'sharedfile'; off: number }
  | { op: 'munmap'; at: number; n: number }
  | { op: 'mprotect'; at: number; n: number; prot: number }
  | { op: 'write'; at: number; value: number }
  | { op: 'read'; at: number }
  | { op: 'move'; at: number; n: number; to: number }
  | { op: 'dontneed'; at: number; n: number }
  | { op: 'fork' }
  | { op: 'switch' };

const pageNo = fc.nat(PAGES - 1);
const count = fc.integer({ min: 1, max: 6 });
const prot = fc.constantFrom(0, PROT_READ, RW, RW, RW, PROT_READ | PROT_EXEC);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('mmap' as const),
      at: pageNo,
      n: count,
      prot,
      kind: fc.constantFrom('anon' as const, 'anon' as const, 'shared' as const, 'file' as const, 'sharedfile' as const),
      off: fc.nat(10),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('munmap' as const), at: pageNo, n: count }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('mprotect' as const), at: pageNo, n: count, prot }) },
  { weight: 14, arbitrary: fc.record({ op: fc.constant('write' as const), at: pageNo, value: fc.integer({ min: 1, max: 255 }) }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constant('read' as const), at: pageNo }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('move' as const), at: pageNo, n: count, to: pageNo }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('dontneed' as const), at: pageNo, n: count }) },
  { weight: 2, arbitrary: fc.constant({ op: 'fork' as const }) },
  { weight: 3, arbitrary: fc.constant({ op: 'switch' as const }) },
);

/** Runs the steps on the kernel and on the model; both processes must always agree with it. */
class Runner {
  readonly kit: MmTestKit;
  readonly file = new AddressSpace();
  readonly fileCells: Cell[] = [];
  procs: { mm: MmStruct; model: Model }[];
  current = 0;

  constructor(kit: MmTestKit) {
    this.kit = kit;
    for (let i = 0; i < 16; i++) {
      this.file.write(kit.k, i * PAGE_SIZE, new Uint8Array(PAGE_SIZE).fill(100 + i));
      this.fileCells.push({ value: 100 + i });
    }
    this.procs = [{ mm: kit.mm, model: new Array(PAGES).fill(null) }];
  }
  private set(index: number): void {
    this.current = index;
    const { k } = this.kit;
    k.current.mm = this.procs[index].mm;
    k.machine.setPageTable(this.procs[index].mm.pgd);
  }

  run(s: Step): void {
    const { k } = this.kit;
    const { mm, model } = this.procs[this.current];
    const va = 'at' in s ? BASE + s.at * PAGE_SIZE : 0;
    switch (s.op) {
      case 'mmap': {
        const n = Math.min(s.n, PAGES - s.at);
        const file = s.kind === 'file' || s.kind === 'sharedfile' ? fileOf(this.file) : null;
        const flags =
          (s.kind === 'shared' || s.kind === 'sharedfile' ? MAP_SHARED : MAP_PRIVATE) | (file === null ? MAP_ANONYMOUS : 0) | MAP_FIXED;
        assert.equal(doMmap(k, mm, file, va, n * PAGE_SIZE, s.prot, flags, file === null ? 0 : s.off * PAGE_SIZE), va);
        for (let i = 0; i < n; i++) {
          const fileCell = this.fileCells[s.off + i];
          if (file !== null && fileCell === undefined) model[s.at + i] = { prot: s.prot, may: 7, cell: { value: -1 }, cow: null };
          else if (s.kind === 'file') model[s.at + i] = { prot: s.prot, may: 7, cell: { value: 0 }, cow: fileCell };
          else model[s.at + i] = { prot: s.prot, may: 7, cell: s.kind === 'sharedfile' ? fileCell : { value: 0 }, cow: null };
        }
        break;
      }
      case 'munmap':
        assert.equal(doMunmap(k, mm, va, s.n * PAGE_SIZE), 0);
        for (let i = s.at; i < Math.min(PAGES, s.at + s.n); i++) model[i] = null;
        break;
      case 'mprotect': {
        const r = doMprotect(k, mm, va, s.n * PAGE_SIZE, s.prot);
        let expected = 0;
        for (let i = s.at; i < s.at + s.n; i++) {
          const page = i < PAGES ? model[i] : null;
          if (page === null) {
            expected = -ENOMEM;
            break;
          }
          page.prot = s.prot;
        }
        assert.equal(r, expected);
        break;
      }
      case 'write': {
        const page = model[s.at];
        const r = copyToUser(k, va + 5, Uint8Array.of(s.value));
        if (page === null || (page.prot & PROT_WRITE) === 0 || page.cell.value === -1) assert.equal(r, -EFAULT);
        else {
          assert.equal(r, 0);
          if (page.cow !== null) page.cow = null;
          page.cell.value = s.value;
        }
        break;
      }
      case 'read':
        this.check(s.at);
        break;
      case 'move': {
        const n = Math.min(s.n, PAGES - s.to, PAGES - s.at);
        const to = BASE + s.to * PAGE_SIZE;
        const overlaps = s.at < s.to + n && s.to < s.at + n;
        const vma = mm.find(va);
        const inside = vma !== undefined && va + n * PAGE_SIZE <= vma.end;
        const r = doMremap(k, mm, va, n * PAGE_SIZE, n * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
        if (overlaps && vma !== undefined) assert.equal(r, -EINVAL);
        else if (!inside) {
          assert.equal(r, -EFAULT);
          // Linux, too, has unmapped the target by then.
          if (vma !== undefined) for (let i = 0; i < n; i++) model[s.to + i] = null;
        } else {
          assert.equal(r, to);
          for (let i = 0; i < n; i++) {
            model[s.to + i] = model[s.at + i];
            model[s.at + i] = null;
          }
        }
        break;
      }
      case 'dontneed': {
        doMadvise(k, mm, va, s.n * PAGE_SIZE, MADV_DONTNEED);
        for (let i = s.at; i < Math.min(PAGES, s.at + s.n); i++) {
          const page = model[i];
          const spec = page === null ? undefined : mm.find(BASE + i * PAGE_SIZE);
          if (page === null || spec === undefined || spec.mapping !== null) {
            // A private file page goes back to the file's contents.
            if (page !== null && spec?.file != null && (spec.flags & 8) === 0 && page.cell.value !== -1) {
              page.cell = { value: 0 };
              page.cow = this.fileCells[spec.pgoff + i - (spec.start - BASE) / PAGE_SIZE];
            }
            continue;
          }
          page.cell = { value: 0 };
        }
        break;
      }
      case 'fork': {
        if (this.procs.length > 1) {
          const [gone] = this.procs.splice(1 - this.current, 1);
          this.set(0);
          mmPut(k, gone.mm);
          break;
        }
        const child = dupMm(k, mm);
        assert.ok(typeof child !== 'number');
        const copy = model.map((p, i) => {
          if (p === null) return null;
          const shared = ((mm.find(BASE + i * PAGE_SIZE)?.flags ?? 0) & 8) !== 0;
          return { ...p, cell: shared ? p.cell : { ...p.cell } };
        });
        this.procs.push({ mm: child, model: copy });
        break;
      }
      case 'switch':
        this.set(this.procs.length - 1 - this.current);
        break;
    }
  }
  check(i: number): void {
    const { k } = this.kit;
    const page = this.procs[this.current].model[i];
    const got = copyFromUser(k, BASE + i * PAGE_SIZE + 5, 1);
    const readable = page !== null && (page.prot & (PROT_READ | PROT_WRITE)) !== 0 && page.cell.value !== -1;
    if (!readable) assert.equal(got, -EFAULT);
    else {
      assert.ok(typeof got !== 'number', `page ${i} must be readable`);
      // The file's first bytes differ from byte 5 only after writes, which go to byte 5.
      assert.equal(got[0], page.cow !== null ? page.cow.value : page.cell.value);
    }
  }
  finish(): void {
    for (let p = 0; p < this.procs.length; p++) {
      this.set(p);
      for (let i = 0; i < PAGES; i++) this.check(i);
      this.invariants(this.procs[p].mm);
    }
  }
  invariants(mm: MmStruct): void {
    let total = 0;
    for (let i = 0; i < mm.vmas.length; i++) {
      const v = mm.vmas[i];
      assert.ok(v.start < v.end && v.start % PAGE_SIZE === 0);
      if (i > 0) assert.ok(mm.vmas[i - 1].end <= v.start, 'areas overlap');
      total += (v.end - v.start) / PAGE_SIZE;
    }
    assert.equal(mm.totalPages, total);
  }
}

test('mmap, munmap, mprotect, mremap, fork and copy-on-write agree with a page-by-page model; nothing leaks', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 30, maxLength: 150, size: 'max' }), (steps) => {
      const kit = mmTestKit(24);
      const { k } = kit;
      const r = new Runner(kit);
      const free = k.mm.pages.freePages;
      const tables = k.mm.stat.pageTablePages;
      for (const s of steps) r.run(s);
      r.finish();
      for (const p of r.procs) {
        k.current.mm = p.mm;
        doMunmap(k, p.mm, 0, TASK_SIZE);
        assert.equal(p.mm.rss, 0, 'resident pages of an empty address space');
      }
      if (r.procs.length > 1) mmPut(k, r.procs[1].mm);
      assert.equal(k.mm.stat.anonPages, 0);
      assert.equal(k.mm.stat.committed, 0);
      // The second-level table of the range may stay.
      assert.ok(k.mm.stat.pageTablePages - tables <= 1);
      assert.equal(k.mm.pages.freePages + (k.mm.stat.pageTablePages - tables), free);
      assert.equal(kit.log.length, 0, kit.log[0]);
    }),
    { numRuns: 120 },
  );
});

test('placement: top down from mmap_base, hints, and errors', () => {
  const { k, mm } = mmTestKit();
  mm.mmapBase = 0x3f_f800_0000;
  const a = doMmap(k, mm, null, 0, 5000, RW, ANON, 0);
  assert.equal(a, 0x3f_f7ff_e000);
  const b = doMmap(k, mm, null, 0, PAGE_SIZE, PROT_READ, ANON, 0);
  assert.equal(b, 0x3f_f7ff_d000);
  assert.equal(doMmap(k, mm, null, 0x2000_0123, PAGE_SIZE, RW, ANON, 0), 0x2000_1000);
  assert.equal(doMmap(k, mm, null, a, PAGE_SIZE, RW, ANON | MAP_FIXED_NOREPLACE, 0), -EEXIST);
  assert.equal(doMmap(k, mm, null, 0, 0, RW, ANON, 0), -EINVAL);
  assert.equal(doMmap(k, mm, null, 0, TASK_SIZE + 1, RW, ANON, 0), -ENOMEM);
  assert.equal(doMmap(k, mm, null, 0, PAGE_SIZE, RW, MAP_ANONYMOUS, 0), -EINVAL);
  assert.equal(doMmap(k, mm, null, 1, PAGE_SIZE, RW, ANON | MAP_FIXED, 0), -EINVAL);
  assert.equal(doMprotect(k, mm, a, 3 * PAGE_SIZE, PROT_READ), -ENOMEM);
  const readOnly = { ...fileOf(new AddressSpace()), mode: 1 } as File;
  assert.equal(doMmap(k, mm, readOnly, 0, PAGE_SIZE, RW, MAP_SHARED, 0), -EACCES);
  const shared = doMmap(k, mm, readOnly, 0, PAGE_SIZE, PROT_READ, MAP_SHARED, 0);
  assert.equal(doMprotect(k, mm, shared, PAGE_SIZE, RW), -EACCES);
});

test('brk grows and shrinks the heap, apart from the program below it', () => {
  const { k, mm } = mmTestKit();
  doMmap(k, mm, null, 0x10000, PAGE_SIZE, RW, ANON | MAP_FIXED, 0);
  mm.startBrk = mm.brk = 0x11000;
  assert.equal(doBrk(k, mm, 0), 0x11000);
  assert.equal(doBrk(k, mm, 0x13010), 0x13010);
  assert.deepEqual(
    mm.vmas.map((v) => [v.start, v.end, v.name]),
    [
      [0x10000, 0x11000, ''],
      [0x11000, 0x14000, '[heap]'],
    ],
  );
  assert.equal(copyToUser(k, 0x13ff0, new Uint8Array(16)), 0);
  assert.equal(copyToUser(k, 0x13ff0, new Uint8Array(17)), -EFAULT);
  assert.equal(doBrk(k, mm, 0x11000), 0x11000);
  assert.equal(mm.vmas.length, 1);
});

test('truncating a file takes its pages away from everybody who maps it', () => {
  const { k, mm } = mmTestKit();
  const mapping = new AddressSpace();
  mapping.write(k, 0, new Uint8Array(3 * PAGE_SIZE).fill(7));
  const at = doMmap(k, mm, fileOf(mapping), 0, 3 * PAGE_SIZE, RW, MAP_SHARED, 0);
  assert.equal(copyToUser(k, at + 2 * PAGE_SIZE, Uint8Array.of(9)), 0);
  mapping.truncate(k, PAGE_SIZE + 10);
  assert.equal(copyFromUser(k, at + 2 * PAGE_SIZE, 1), -EFAULT);
  const rest = copyFromUser(k, at + PAGE_SIZE, 20) as Uint8Array;
  assert.deepEqual([...rest], [...new Array(10).fill(7), ...new Array(10).fill(0)]);
});

test('an address space that was freed gives all its frames back', () => {
  const kit = mmTestKit();
  const { k, mm } = kit;
  const at = doMmap(k, mm, null, 0, 64 * PAGE_SIZE, RW, ANON, 0);
  copyToUser(k, at, new Uint8Array(64 * PAGE_SIZE).fill(1));
  const before = k.mm.pages.freePages;
  const child = dupMm(k, mm) as MmStruct;
  k.current.mm = child;
  copyToUser(k, at, new Uint8Array(10 * PAGE_SIZE).fill(2));
  k.current.mm = mm;
  mmPut(k, child);
  assert.equal(k.mm.pages.freePages, before);
  assert.deepEqual([...(copyFromUser(k, at, 3) as Uint8Array)], [1, 1, 1]);
});

test('strings from user memory', () => {
  const { k, mm } = mmTestKit();
  const at = doMmap(k, mm, null, 0, 2 * PAGE_SIZE, RW, ANON, 0);
  copyToUser(k, at + PAGE_SIZE - 3, new TextEncoder().encode('abcdef\0'));
  assert.equal(strncpyFromUser(k, at + PAGE_SIZE - 3, 100), 'abcdef');
  assert.equal(strncpyFromUser(k, at + PAGE_SIZE - 3, 6), -36);
  copyToUser(k, at + 2 * PAGE_SIZE - 2, Uint8Array.of(1, 1));
  assert.equal(strncpyFromUser(k, at + 2 * PAGE_SIZE - 2, 100), -EFAULT);
});

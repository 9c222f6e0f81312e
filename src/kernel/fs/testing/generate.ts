import * as NR from '../../../abi/syscall_nr.ts';

// Random scripts for fsop: a small name space, so that calls meet each other's results. Same seed, same script.

const AT = -100;

/** xorshift32: small, and the same everywhere. */
class Random {
  private s: number;
  constructor(seed: number) {
    this.s = (seed * 2654435761) >>> 0 || 1;
  }
  next(n: number): number {
    this.s ^= this.s << 13;
    this.s >>>= 0;
    this.s ^= this.s >>> 17;
    this.s ^= this.s << 5;
    this.s >>>= 0;
    return this.s % n;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.next(list.length)];
  }
  chance(percent: number): boolean {
    return this.next(100) < percent;
  }
}

type Op = readonly [weight: number, make: (r: Random) => string];
const numbers: Readonly<Record<string, number>> = { ...NR };
const call = (name: keyof typeof NR & string, ...args: (string | number)[]) => `${name.slice(3)}:${numbers[name]} ${args.join(' ')}`;

function name(r: Random): string {
  if (r.chance(3)) return r.pick(['.', '..', 'x'.repeat(255), 'y'.repeat(256), '%ff%01', '%20']);
  return r.pick(['a', 'b', 'c', 'd', 'l', 'm']);
}
function path(r: Random): string {
  if (r.chance(1)) return r.pick(['', '/', '//', '.', '..', './', '/..', `${'a/'.repeat(2047)}b`, `${'a/'.repeat(2048)}b`]);
  let p = name(r);
  while (r.chance(45)) p += `${r.chance(5) ? '//' : '/'}${name(r)}`;
  if (r.chance(8)) p += r.pick(['/', '/', '//', '/.', '/..']);
  if (r.chance(20)) p = `/${p}`;
  if (r.chance(3)) p = `./${p}`;
  return p;
}
const str = (r: Random) => (r.chance(1) ? r.pick(['0', '8']) : `s:${path(r)}`);
const fd = (r: Random) => (r.chance(5) ? r.pick([-1, -100, 99, 1000]) : r.next(8));
const dirfd = (r: Random) => (r.chance(75) ? AT : fd(r));
const at = (r: Random) => `${dirfd(r)} ${str(r)}`;
const mode = (r: Random) => r.pick([0o644, 0o755, 0o777, 0, 0o4755, 0o2775, 0o1777, 0o600, 0o100, 0o7777, 0o10644]);
const text = (r: Random) => r.pick(['hello', 'x', '0123456789', 'A'.repeat(r.next(300)), 'B'.repeat(r.chance(10) ? 5000 : 40)]);
const size = (r: Random) => r.pick([0, 1, 5, 10, 100, 4095, 4096, 4097, 10000, -1]);
const uid = (r: Random) => r.pick([0, 1000, 1001, -1]);
const flags = (r: Random, ...list: number[]) => (r.chance(85) ? r.pick(list) : r.pick([1, 2, 0x10, 0x8000, -1]));

function openFlags(r: Random): number {
  let f = r.pick([0, 0, 1, 2, 2, 2, 3]) | 0o4000;
  if (r.chance(50)) f |= 0o100;
  if (r.chance(12)) f |= 0o200;
  if (r.chance(15)) f |= 0o1000;
  if (r.chance(10)) f |= 0o2000;
  if (r.chance(12)) f |= 0o200000;
  if (r.chance(10)) f |= 0o400000;
  if (r.chance(6)) f |= 0o10000000;
  if (r.chance(4)) f |= 0o20200000;
  return f;
}

const OPS: readonly Op[] = [
  [14, (r) => call('NR_openat', at(r), openFlags(r), mode(r))],
  [8, (r) => call('NR_close', fd(r))],
  [5, (r) => call('NR_mkdirat', at(r), mode(r))],
  [5, (r) => call('NR_symlinkat', str(r), at(r))],
  [4, (r) => call('NR_linkat', at(r), at(r), flags(r, 0, 0, 0x400, 0x1000))],
  [7, (r) => call('NR_renameat2', at(r), at(r), flags(r, 0, 0, 0, 1, 2, 3))],
  [5, (r) => call('NR_unlinkat', at(r), flags(r, 0, 0, 0x200))],
  [3, (r) => call('NR_mknodat', at(r), r.pick([0o10644, 0o100644, 0o20600, 0o60600, 0o140755, 0o644, 0o40755, 0o50000]), 0x7e03)],
  [6, (r) => call('NR_newfstatat', at(r), 'o:stat', flags(r, 0, 0, 0x100, 0x1000, 0x1100))],
  [3, (r) => call('NR_fstat', fd(r), 'o:stat')],
  [2, (r) => call('NR_statx', at(r), flags(r, 0, 0x100, 0x1000), r.pick([0x7ff, 0xfff, 0, 0x1fff]), 'o:statx')],
  [3, (r) => call('NR_readlinkat', at(r), 'o:buf', r.pick([100, 100, 3, 0, -1]))],
  [3, (r) => call('NR_getdents64', fd(r), 'o:dents', r.pick([4096, 4096, 100, 24, 10]))],
  [4, (r) => call('NR_read', fd(r), 'o:buf', r.pick([1, 5, 100, 6000, 0]))],
  [
    6,
    (r) => {
      const t = text(r);
      return call('NR_write', fd(r), `s:${t}`, t.length);
    },
  ],
  [2, (r) => call('NR_pread64', fd(r), 'o:buf', r.pick([1, 10, 100]), size(r))],
  [
    2,
    (r) => {
      const t = text(r);
      return call('NR_pwrite64', fd(r), `s:${t}`, t.length, size(r));
    },
  ],
  [1, (r) => call('NR_readv', fd(r), `ir:${r.next(9)}|0|${r.next(30)}`, 3)],
  [1, (r) => call('NR_writev', fd(r), `iw:ab||${text(r)}`, r.pick([3, 3, 2, 0, -1, 1025]))],
  [3, (r) => call('NR_lseek', fd(r), size(r), r.pick([0, 0, 1, 2, 3, 4, 5]))],
  [3, (r) => call('NR_ftruncate', fd(r), size(r))],
  [2, (r) => call('NR_truncate', str(r), size(r))],
  [2, (r) => call('NR_fallocate', fd(r), r.pick([0, 0, 1, 2, 3, 0x10, 0x20]), size(r), size(r))],
  [2, (r) => call('NR_chdir', str(r))],
  [1, (r) => call('NR_fchdir', fd(r))],
  [2, () => call('NR_getcwd', 'o:buf', 4096)],
  [1, (r) => call('NR_getcwd', 'o:buf', r.pick([1, 2, 0, 5]))],
  [3, (r) => call('NR_fchmodat', at(r), mode(r))],
  [1, (r) => call('NR_fchmod', fd(r), mode(r))],
  [2, (r) => call('NR_fchownat', at(r), uid(r), uid(r), flags(r, 0, 0x100, 0x1000))],
  [1, (r) => call('NR_fchown', fd(r), uid(r), uid(r))],
  [2, (r) => call('NR_faccessat', at(r), r.pick([0, 1, 2, 4, 6, 7, 8]))],
  [2, (r) => call('NR_faccessat2', at(r), r.pick([0, 1, 2, 4, 7]), flags(r, 0, 0x200, 0x100, 0x300))],
  [
    2,
    (r) =>
      call(
        'NR_utimensat',
        r.chance(10) ? `${fd(r)} 0` : at(r),
        r.pick(['0', 'ts:5,6,7,8', 'ts:0,1073741823,0,1073741822', 'ts:1,1000000000,1,1', 'ts:0,1073741822,0,1073741822']),
        flags(r, 0, 0x100),
      ),
  ],
  [2, (r) => call('NR_dup', fd(r))],
  [2, (r) => call('NR_dup3', fd(r), fd(r), flags(r, 0, 0o2000000))],
  [2, (r) => call('NR_fcntl', fd(r), r.pick([1, 3, 3, 9, 1032, 1034]), 0)],
  [1, (r) => call('NR_fcntl', fd(r), r.pick([0, 1030]), r.pick([0, 3, 7, -1, 1024]))],
  [1, (r) => call('NR_fcntl', fd(r), 2, r.next(2))],
  [1, (r) => call('NR_fcntl', fd(r), 4, r.pick([0o4000, 0o6000, 0o7777]))],
  [
    3,
    (r) =>
      call('NR_fcntl', fd(r), r.pick([5, 6, 36, 37]), `lk:${r.next(4)},${r.next(4)},${r.pick([0, 1, 10, -5])},${r.pick([0, 5, 10, -3])},0`),
  ],
  [2, (r) => call('NR_flock', fd(r), r.pick([5, 6, 8, 12, 4, 0, 7]))],
  [1, (r) => call('NR_pipe2', 'o:fds', flags(r, 0o4000, 0o2004000))],
  [2, (r) => call('NR_ppoll', `pf:${fd(r)}/7,${fd(r)}/5`, 2, 'ts:0,0,0,0', 0, 0)],
  [1, (r) => call('NR_ioctl', fd(r), r.pick([0x541b, 0x5401, 0x5421]), 'o:int')],
  [1, (r) => call('NR_fsync', fd(r))],
  [1, (r) => call('NR_sendfile', fd(r), fd(r), r.pick(['0', 'p:0', 'p:3']), r.pick([5, 100]))],
  [1, (r) => call('NR_copy_file_range', fd(r), r.pick(['0', 'p:2']), fd(r), r.pick(['0', 'p:4']), r.pick([5, 100]), flags(r, 0))],
  [1, (r) => call('NR_statfs', str(r), 'o:statfs')],
  [1, (r) => call('NR_close_range', r.pick([3, 5, 7]), r.pick([4, 6, 100]), flags(r, 0, 4))],
  [1, (r) => call('NR_umask', r.pick([0o22, 0, 0o77, 0o777]))],
  [1, (r) => call('NR_fadvise64', fd(r), 0, 10, r.next(8))],
  [2, (r) => `uid ${r.pick([0, 0, 1000, 1001])}`],
];
const TOTAL = OPS.reduce((n, [w]) => n + w, 0);

/** `sessions` runs of `ops` random calls each, every one in a fresh tmpfs. */
export function generateScript(seed: number, sessions: number, ops: number): string {
  const r = new Random(seed);
  const lines: string[] = [];
  for (let s = 0; s < sessions; s++) {
    lines.push('reset');
    // A little furniture, so that early calls find something.
    for (const d of ['a', 'b', 'a/b']) lines.push(call('NR_mkdirat', AT, `s:${d}`, 0o777));
    lines.push(call('NR_symlinkat', 's:a', AT, 's:l'), call('NR_symlinkat', 's:c', AT, 's:m'));
    lines.push(call('NR_openat', AT, 's:c', 0o102, 0o644));
    for (let i = 0; i < ops; i++) {
      let n = r.next(TOTAL);
      for (const [w, make] of OPS) {
        n -= w;
        if (n < 0) {
          lines.push(make(r));
          break;
        }
      }
    }
    // The tree at the end.
    lines.push('uid 0');
    for (const d of ['/', '/a', '/b', '/c', '/d', '/a/b', '/b/a']) {
      lines.push(call('NR_newfstatat', AT, `s:${d}`, 'o:stat', 0x100), call('NR_openat', AT, `s:${d}`, 0o200000, 0));
    }
    for (let f = 0; f < 16; f++) lines.push(call('NR_fstat', f, 'o:stat'), call('NR_getdents64', f, 'o:dents', 4096));
  }
  return `${lines.join('\n')}\n`;
}

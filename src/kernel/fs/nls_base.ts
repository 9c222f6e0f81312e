import { EBUSY, EILSEQ, EINVAL, ENAMETOOLONG, EOVERFLOW } from '../../abi/errno.ts';
import { nls_table as NLS } from '../../abi/layout/structs.ts';
import type { Kernel } from '../kernel.ts';
import { text } from '../lib/access.ts';
import { load64, load8, loadBytes, store32, store64, store8, storeBytes } from '../lib/guest_memory.ts';
import { writeKernel64, writeKernelBytes } from '../mm/maccess.ts';
import { bytesOf } from '../lib/bytes.ts';
import { type DataExport, type FunctionExport, fn, internal } from '../module/export.ts';
import { requestModule } from '../module/kmod.ts';
import { modulePut, tryModuleGet } from '../module/module.ts';
import { imageObject, symbolAddress } from '../module/stubs.ts';
import { BLOCKED } from '../sched/wait.ts';

// Character sets of file names (fs/nls/nls_base.c): tables that modules register, linked through their last member, found by name. The kernel's own,
// "default", is what its table of Latin-1 says.

const MAX_TABLES = 1000;
const NAME_MAX = 256;
/** What `slot` points to first is the table registered last. */
const slot = (k: Kernel) => symbolAddress(k, 'nls_tables');
function allTables(k: Kernel): number[] {
  const out: number[] = [];
  for (let at = load64(k, slot(k)); at !== 0 && out.length < MAX_TABLES; at = load64(k, at + NLS.next)) out.push(at);
  return out;
}
const ownerOf = (k: Kernel, table: number) => k.modules.byAddr.get(load64(k, table + NLS.owner)) ?? null;

function register(k: Kernel, table: number, owner: number): number {
  if (load64(k, table + NLS.next) !== 0) return -EBUSY;
  store64(k, table + NLS.owner, owner);
  if (allTables(k).includes(table)) return -EBUSY;
  store64(k, table + NLS.next, load64(k, slot(k)));
  store64(k, slot(k), table);
  return 0;
}
function unregister(k: Kernel, table: number): number {
  let at = slot(k);
  for (const here of allTables(k)) {
    if (here === table) {
      store64(k, at, load64(k, here + NLS.next));
      return 0;
    }
    at = here + NLS.next;
  }
  return -EINVAL;
}
/** find_nls: by name or alias, with a reference on its module. */
function find(k: Kernel, charset: string): number {
  for (const table of allTables(k)) {
    const alias = load64(k, table + NLS.alias);
    if (text(k, load64(k, table + NLS.charset), NAME_MAX) !== charset && (alias === 0 || text(k, alias, NAME_MAX) !== charset)) continue;
    const owner = ownerOf(k, table);
    return owner !== null && !tryModuleGet(owner) ? 0 : table;
  }
  return 0;
}
/** load_nls: the table, after its module was asked for where it is not there; 0, or BLOCKED. */
function loadNls(k: Kernel, charset: string): number {
  if (k.current.restart === null) {
    const table = find(k, charset);
    if (table !== 0) return table;
  }
  return requestModule(k, `nls_${charset}`) === BLOCKED ? BLOCKED : find(k, charset);
}
const DEFAULT_CHARSET = 'utf8';

const SURROGATES = 0xd800;
const UNICODE_MAX = 0x10_ffff;
/** What a first byte of each length looks like, and the least character that needs so many. */
const FORMS = [
  [0x80, 0x00, 0],
  [0xe0, 0xc0, 0x80],
  [0xf0, 0xe0, 0x800],
  [0xf8, 0xf0, 0x1_0000],
  [0xfc, 0xf8, 0x20_0000],
  [0xfe, 0xfc, 0x400_0000],
] as const;
interface Decoded {
  readonly n: number;
  readonly c: number;
}
/** utf8_to_utf32: bytes taken and the character; -EILSEQ, or -EOVERFLOW where the text ends too early. */
function decode(k: Kernel, from: number, length: number): Decoded | number {
  const b = loadBytes(k, from, Math.max(0, Math.min(length, FORMS.length)));
  let c = 0;
  for (let n = 1; n <= FORMS.length; n++) {
    const [mask, pattern, least] = FORMS[n - 1];
    if ((b[0] & mask) === pattern) {
      const value = n === 1 ? b[0] : (b[0] & ~mask & 0xff) * 2 ** (6 * (n - 1)) + c;
      return value < least || value > UNICODE_MAX || (value & 0xffff_f800) === SURROGATES ? -EILSEQ : { n, c: value };
    }
    if (length <= n) return -EOVERFLOW;
    if ((b[n] & 0xc0) !== 0x80) return -EILSEQ;
    c = c * 64 + (b[n] & 0x3f);
  }
  return -EILSEQ;
}
function encode(c: number, room: number): Uint8Array | number {
  const u = c >>> 0;
  if (u > UNICODE_MAX || (u & 0xffff_f800) === SURROGATES) return -EILSEQ;
  const n = u < 0x80 ? 1 : u < 0x800 ? 2 : u < 0x1_0000 ? 3 : 4;
  if (n > room) return -EOVERFLOW;
  if (n === 1) return Uint8Array.of(u);
  const out = new Uint8Array(n);
  for (let i = n - 1, rest = u; i >= 0; i--, rest >>>= 6) out[i] = i > 0 ? 0x80 | (rest & 0x3f) : ((0xf00 >> n) & 0xff) | rest;
  return out;
}
/** enum utf16_endian: of the machine, little, big. */
const BIG_ENDIAN = 2;
function toUtf16(k: Kernel, s: number, inlen: number, endian: number, pwcs: number, maxout: number): number {
  let [at, left, out] = [s, inlen, 0];
  const put = (unit: number) => {
    const bytes = Uint8Array.of(unit & 0xff, unit >> 8);
    storeBytes(k, pwcs + out++ * 2, endian === BIG_ENDIAN ? bytes.reverse() : bytes);
  };
  while (left > 0 && out < maxout) {
    const c = load8(k, at);
    if (c === 0) break;
    if (c < 0x80) {
      put(c);
      at++;
      left--;
      continue;
    }
    const one = decode(k, at, left);
    if (typeof one === 'number') return -EINVAL;
    at += one.n;
    left -= one.n;
    if (one.c >= 0x1_0000) {
      if (maxout - out < 2) break;
      put(SURROGATES | ((one.c - 0x1_0000) >> 10));
      put(0xdc00 | ((one.c - 0x1_0000) & 0x3ff));
    } else put(one.c);
  }
  return out;
}
function fromUtf16(k: Kernel, pwcs: number, inlen: number, endian: number, s: number, maxout: number): number {
  let out = 0;
  const unit = (i: number) => {
    const b = loadBytes(k, pwcs + i * 2, 2);
    return endian === BIG_ENDIAN ? (b[0] << 8) | b[1] : b[0] | (b[1] << 8);
  };
  for (let i = 0; i < inlen && out < maxout; i++) {
    let c = unit(i);
    if (c === 0) break;
    if ((c & 0xf800) === SURROGATES) {
      // A lone half is passed over.
      if ((c & 0x400) !== 0 || i + 1 >= inlen) continue;
      const low = unit(i + 1);
      if ((low & 0xfc00) !== 0xdc00) continue;
      c = 0x1_0000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
      i++;
    }
    const bytes = encode(c, maxout - out);
    if (typeof bytes === 'number') continue;
    storeBytes(k, s + out, bytes);
    out += bytes.length;
  }
  return out;
}

export const nlsExports: readonly FunctionExport[] = [
  fn('__register_nls', register),
  fn('unregister_nls', unregister),
  fn('load_nls', (k, charset) => loadNls(k, text(k, charset, NAME_MAX))),
  fn('load_nls_default', (k) => {
    const table = loadNls(k, DEFAULT_CHARSET);
    return table === 0 ? symbolAddress(k, 'nls_default_table') : table;
  }),
  fn('unload_nls', (k, table) => {
    const owner = table === 0 ? null : ownerOf(k, table);
    if (owner !== null) modulePut(owner);
  }),
  fn('utf8_to_utf32', (k, s, length, to) => {
    const one = decode(k, s, length | 0);
    if (typeof one === 'number') return one;
    store32(k, to, one.c);
    return one.n;
  }),
  fn('utf32_to_utf8', (k, c, s, room) => {
    if (s === 0) return 0;
    const bytes = encode(c, room | 0);
    if (typeof bytes === 'number') return bytes;
    storeBytes(k, s, bytes);
    return bytes.length;
  }),
  fn('utf8s_to_utf16s', (k, s, inlen, endian, pwcs, maxout) => toUtf16(k, s, inlen | 0, endian, pwcs, maxout | 0)),
  fn('utf16s_to_utf8s', (k, pwcs, inlen, endian, s, maxout) => fromUtf16(k, pwcs, inlen | 0, endian, s, maxout | 0)),
  // The functions of the default table.
  internal('nls_default_uni2char', (k, c, to, room) => {
    if (room <= 0) return -ENAMETOOLONG;
    if ((c & 0xffff) > 0xff || (c & 0xffff) === 0) return -EINVAL;
    store8(k, to, c);
    return 1;
  }),
  internal('nls_default_char2uni', (k, from, _length, to) => {
    const c = load8(k, from);
    storeBytes(k, to, Uint8Array.of(c, 0));
    return c === 0 ? -EINVAL : 1;
  }),
];
/** Upper and lower case of ASCII, as the default table has them. */
const CASES = Uint8Array.from({ length: 512 }, (_, i) => {
  const c = i & 0xff;
  if (i < 256) return c >= 65 && c <= 90 ? c + 32 : c;
  return c >= 97 && c <= 122 ? c - 32 : c;
});
export const nlsDataExports: readonly DataExport[] = [
  {
    name: 'nls_default_table',
    internal: true,
    place(k) {
      const at = imageObject(k, NLS.sizeof + 512 + 8, 8);
      const [cases, name] = [at + NLS.sizeof, at + NLS.sizeof + 512];
      writeKernelBytes(k, cases, CASES);
      writeKernelBytes(k, name, bytesOf('default\0'));
      writeKernel64(k, at + NLS.charset, name);
      writeKernel64(k, at + NLS.uni2char, k.modules.symbols.get('nls_default_uni2char')?.addr ?? 0);
      writeKernel64(k, at + NLS.char2uni, k.modules.symbols.get('nls_default_char2uni')?.addr ?? 0);
      writeKernel64(k, at + NLS.charset2lower, cases);
      writeKernel64(k, at + NLS.charset2upper, cases + 256);
      return at;
    },
  },
  {
    name: 'nls_tables',
    internal: true,
    place(k) {
      const at = imageObject(k, 8, 8);
      // The default table is registered from the start; it was placed before.
      writeKernel64(k, at, k.modules.symbols.get('nls_default_table')?.addr ?? 0);
      return at;
    },
  },
];

// The formats that real Linux was asked (record.mjs) and that src/kernel/lib/vsprintf.test.ts asks again. Arguments are 8-byte slots: a
// number or bigint, or a place in one block of data (`at`), whose address is the same in both.

const bytes = [];
const fixups = [];
const align = (n) => {
  while (bytes.length % n !== 0) bytes.push(0);
};
/** Puts bytes into the block. */
function put(data, alignment = 8) {
  align(alignment);
  const at = bytes.length;
  bytes.push(...data);
  return { at };
}
const latin1 = (text) => [...text].map((c) => c.charCodeAt(0));
const str = (text) => put([...latin1(text), 0], 1);
const le = (n, size) => Array.from({ length: size }, (_, i) => Number((BigInt.asUintN(64, BigInt(n)) >> BigInt(8 * i)) & 255n));
/** A structure of `size` bytes: fields of [offset, size, value]; a value with `at` is a pointer into the block. */
function struct(size, ...fields) {
  const place = put(new Array(size).fill(0));
  for (const [offset, width, value] of fields) {
    if (typeof value === 'object') fixups.push([place.at + offset, value.at]);
    else for (let i = 0; i < width; i++) bytes[place.at + offset + i] = le(value, width)[i];
  }
  return place;
}

const cases = [];
/** One question: a format and its arguments. */
const ask = (fmt, ...args) => cases.push({ fmt, args });
/** The same arguments in several formats. */
const each = (fmts, ...args) => {
  for (const f of fmts) ask(f, ...args);
};

put(new Array(64).fill(0xa5));

// ---- integers
const INTS = [
  0,
  1,
  -1,
  9,
  10,
  99,
  100,
  255,
  256,
  32767,
  32768,
  65535,
  123456,
  99999999,
  100000000,
  2147483647,
  -2147483648,
  0x80000000,
  0xffffffff,
  0x100000000n,
  0xdeadbeefcafef00dn,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  12345678901234567890n,
];
for (const n of INTS) {
  ask('%d|%i|%u|%x|%X|%o', n, n, n, n, n, n);
  ask('%ld|%lu|%lx|%lo|%lld|%llu|%llX', n, n, n, n, n, n, n);
  ask('%hd|%hu|%hx|%hhd|%hhu|%hhx', n, n, n, n, n, n);
  ask('%zd|%zu|%zx|%td|%tu|%tx|%Ld|%Lu', n, n, n, n, n, n, n, n);
}
for (const flags of ['', '-', '+', ' ', '#', '0', '-0', '+0', ' 0', '#0', '-#', '+ ', '-+', '+-#0 ', '00', '--'])
  for (const size of ['', '1', '8', '.0', '.3', '8.3', '3.8', '08.3', '.', '20.', '12.10']) {
    ask(`[%${flags}${size}d][%${flags}${size}x][%${flags}${size}o][%${flags}${size}u]`, 42, 0xbeef, 0o755, 7);
    ask(`[%${flags}${size}d][%${flags}${size}X][%${flags}${size}o]`, 0, 0, 0);
    ask(`[%${flags}${size}d][%${flags}${size}ld][%${flags}${size}lld]`, -42, -42, -1234567890123n);
  }
for (const w of [0, 1, 8, -1, -8, -20, 30]) {
  ask('[%*d][%*x][%0*u]', w, 42, w, 0xab, w, 7);
  ask('[%*s][%-*s]', w, str('abc'), w, str('abc'));
  ask('[%*c][%-*c]', w, 65, w, 66);
  ask('[%.*d][%.*x]', w, 42, w, 0xab);
  ask('[%.*s]', w, str('hello world'));
  ask('[%*.*d]', w, w, 5);
  ask('[%-*.*s]', w, w, str('hello world'));
}
ask('[%*.*d][%*.*d]', 10, 5, 42, -10, 3, -42);
ask('[%5.*s]', 2, str('xyz'));
ask('[%.*d]', 32767, 5);
ask('[%300d][%-300d]', 1, 2);
ask('[%16777217d][%16777219d]', 1, 2);
ask('[%8388608d]', 3);
ask('[%.65537d][%.65539d][%.32768d]', 1, 2, 3);
ask('[%4294967297d][%99999999999d]', 1, 2);
ask('[%.4294967298d]', 1);
ask('[%.00003d][%.0x][%.0d][%5.0d]', 7, 0, 0, 0);
ask('[%.-3d]', 7);
ask('[%5 d]', 7);

// ---- characters, percent, invalid
ask('%c%c%c|%5c|%-5c|', 65, 66, 67, 68, 69);
ask('[%c]', 0);
ask('[%c][%c][%lc]', 0x1f4, 255, 0x41);
ask('[%05c][%.3c][%+c]', 65, 66, 67);
each(['100%%', '%5%|', '%-5%|', '%%%%', '%d%%', 'a%%b%%c'], 5);
each(['', 'plain', 'tab\tnew\nline', '\xe4\xff\x80'], 0);
each(
  [
    '%',
    'abc%',
    '%d %',
    '%l',
    '%ll',
    '%5',
    '%5.',
    '%-',
    '%#',
    '%h',
    'x%z',
    '%d %y %d',
    '%n',
    'a%nb',
    '%d%n%d',
    '%q',
    '%k',
    '%!',
    '%-08.3y',
    '%lllx',
    '%lf',
    '%f',
    '%e',
    '%g',
    '%a',
    '%hhhd',
    '%lhd',
    '%hld',
    '%zld',
    '%jd',
    '%Lx',
    '%LLd',
    '%Lld',
    '%ztd',
    '%D',
    '%U',
    '%S',
    '%b',
    '%B',
    '%w',
    '%*',
    '%.*',
    '%*.',
    '%*.*',
  ],
  1,
  2,
  3,
);

// ---- strings
const S = str('hello');
const EMPTY = str('');
const HIGH = str('\x01\x7f\x80\xff\xe4"\\\n\t');
for (const f of [
  '%s',
  '%10s',
  '%-10s',
  '%.3s',
  '%10.3s',
  '%-10.3s',
  '%.0s',
  '%.s',
  '%010s',
  '%+s',
  '%#s',
  '%.10s',
  '%ls',
  '%hs',
  '%3s',
  '%0.2s',
]) {
  ask(`[${f}]`, S);
  ask(`[${f}]`, EMPTY);
  ask(`[${f}]`, 0);
  ask(`[${f}]`, 1);
  ask(`[${f}]`, 4095);
  ask(`[${f}]`, -1n);
  ask(`[${f}]`, -4095n);
}
ask('[%s]', HIGH);
ask('%s %s %s', S, EMPTY, S);

// ---- pointers
const P = put(new Array(32).fill(0x33));
for (const f of [
  '%px',
  '%20px',
  '%-20px|',
  '%020px',
  '%.20px',
  '%#px',
  '%+px',
  '% px',
  '%.px',
  '%30px',
  '%5px',
  '%pxa',
  '%pxyz',
  '%lpx',
  '%#30px',
  '%-#30px|',
  '%.0px',
]) {
  ask(f, P);
  ask(f, 0);
  ask(f, -2n);
}
each(['%p', '%20p', '%-20p|', '%.3p', '%#p', '%5p', '%pK', '%pQ', '%pj12', '%030p'], 0);
each(['%p', '%20p', '%-20p|', '%.3p', '%#p', '%5p', '%pK', '%pQ', '%030p'], -12n);
each(['%p', '%20p', '%-20p|', '%#p', '%5p', '%pZ', '%p-', '%p7', '%030p'], P, P);

// ---- %pe
for (const e of [
  -1, -2, -4, -11, -14, -22, -28, -35, -38, -95, -110, -132, -133, -512, -513, -516, -517, -518, -521, -524, -531, -4095, -41, -58, -134,
  -600,
])
  ask('[%pe][%10pe][%-12pe][%.3pe]', BigInt(e), BigInt(e), BigInt(e), BigInt(e));
each(['[%pe]', '[%10pe]'], 0);
for (let e = 1; e <= 540; e += 6) ask('%pe %pe %pe %pe %pe %pe', ...[0, 1, 2, 3, 4, 5].map((i) => BigInt(-e - i)));

// ---- %pV
const VFMT = str('pid %d name %s %lx');
const VARGS = put([...le(-7, 8), ...new Array(8).fill(0), ...le(0x1234567890n, 8), ...le(99, 8)]);
fixups.push([VARGS.at + 8, S.at]);
const VLIST = put(new Array(8).fill(0));
fixups.push([VLIST.at, VARGS.at]);
const VAF = struct(16, [0, 8, VFMT], [8, 8, VLIST]);
const VFMT2 = str('<%pV> %s');
const VARGS2 = put(new Array(16).fill(0));
fixups.push([VARGS2.at, VAF.at], [VARGS2.at + 8, S.at]);
const VLIST2 = put(new Array(8).fill(0));
fixups.push([VLIST2.at, VARGS2.at]);
const VAF2 = struct(16, [0, 8, VFMT2], [8, 8, VLIST2]);
each(['%pV', '[%50pV] %d', '[%.3pV]'], VAF, 5);
each(['%pV', 'a %pVx b'], VAF2);
each(['[%pV]', '[%10pV]'], 0);
each(['[%pV]'], 12);

// ---- %ph
const HEX = put(Array.from({ length: 80 }, (_, i) => (i * 37 + 11) & 255));
for (const m of ['', 'C', 'D', 'N', 'Cx', 'X']) {
  ask(`[%ph${m}]`, HEX);
  for (const n of [0, 1, 2, 6, 16, 63, 64, 65, 70, -3]) ask(`[%*ph${m}]`, n, HEX);
  ask(`[%6ph${m}][%-4ph${m}][%04ph${m}][%.2ph${m}]`, HEX, HEX, HEX, HEX);
}
ask('[%*ph][%4ph][%ph]', 3, 0, 5, -1n);
ask('[%0ph]', HEX);

// ---- %pb
const BITS = put([...le(0xf0f0_0000_1234_8001n, 8), ...le(0x0123_4567_89ab_cdefn, 8), ...le(-1n, 8), ...le(0, 8), ...le(0xffn, 8)]);
for (const n of [0, 1, 4, 5, 16, 31, 32, 33, 40, 63, 64, 65, 100, 128, 192, 200, 256, 300, 320]) ask('[%*pb][%*pbl]', n, BITS, n, BITS);
each(['[%pb]', '[%pbl]', '[%40pb]', '[%40pbl]', '[%-40pb]', '[%040pb]', '[%40.2pb]', '[%40pbx]'], BITS);
ask('[%*pb][%*pbl]', -5, BITS, -40, BITS);
ask('[%40pb][%40pbl]', 0, 0);

// ---- %pM, %pm
const MAC = put([0x00, 0x1b, 0x44, 0x11, 0x3a, 0xb7]);
each(['%pM', '%pMR', '%pMF', '%pm', '%pmR', '%pmF', '[%20pM]', '[%-20pM]', '[%.5pM]', '[%20pm]', '%pMRF', '%pMx'], MAC);
each(['%pM', '[%20pm]'], 0);

// ---- IP
const IP4 = [put([1, 2, 3, 4], 4), put([127, 0, 0, 1], 4), put([192, 168, 10, 255], 4), put([0, 0, 0, 0], 4)];
for (const a of IP4) ask('%pI4|%pi4|%pI4h|%pI4n|%pI4b|%pI4l|%pi4h|%pi4l', a, a, a, a, a, a, a, a);
each(['[%20pI4]', '[%-20pI4]', '[%.4pI4]', '[%20pi4]', '%pI4x', '%pI', '%pi', '%pI5', '%pi9', '%pIx', '%pI4hl'], IP4[0]);
const ip6 = (...w) =>
  put(
    w.flatMap((x) => [x >> 8, x & 255]),
    4,
  );
const IP6 = [
  ip6(1, 2, 3, 4, 5, 6, 7, 8),
  ip6(0, 0, 0, 0, 0, 0, 0, 0),
  ip6(0, 0, 0, 0, 0, 0, 0, 1),
  ip6(1, 0, 0, 0, 0, 0, 0, 0),
  ip6(0xfe80, 0, 0, 0, 0x0202, 0xb3ff, 0xfe1e, 0x8329),
  ip6(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1),
  ip6(0x2001, 0xdb8, 0, 1, 1, 1, 1, 1),
  ip6(0x2001, 0, 0, 1, 0, 0, 0, 1),
  ip6(0, 0, 0, 0, 0, 0xffff, 0xc0a8, 0x0101),
  ip6(0xfe80, 0, 0, 0, 0, 0x5efe, 0xc0a8, 0x0101),
  ip6(0xfe80, 0, 0, 0, 0x200, 0x5efe, 0xc0a8, 0x0101),
  ip6(0x1234, 0xab, 0x10, 0xf, 0x100, 0xffff, 0, 0xabcd),
  ip6(0, 1, 0, 1, 0, 1, 0, 1),
  ip6(1, 0, 1, 0, 0, 1, 0, 0),
  ip6(0, 0, 1, 1, 1, 1, 0, 0),
  ip6(0, 0, 0, 0, 0, 0xffff, 0, 0),
];
for (const a of IP6) ask('%pI6|%pi6|%pI6c|%pi6c', a, a, a, a);
each(['[%50pI6c]', '[%-50pI6c]', '[%.6pI6]', '[%45pi6]', '%pI6cx'], IP6[4]);
each(['[%pI4]', '[%20pI6c]', '[%pIS]'], 0);
const SIN = put([2, 0, 0x1f, 0x90, 10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
const SIN6 = put([
  10,
  0,
  0x01,
  0xbb,
  ...[0x0f, 0x12, 0x34, 0x56],
  ...[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  ...le(3, 4),
]);
const SIN6MAPPED = put([10, 0, 0, 80, 0, 0, 0, 0, ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4], 0, 0, 0, 0]);
const SUN = put([1, 0, 47, 0]);
for (const m of ['', 'p', 'c', 'pc', 'f', 's', 'pfs', 'pfsc', 'h', 'ph', 'l', 'pl', 'n', 'cpx', 'pfsc7'])
  for (const a of [SIN, SIN6, SIN6MAPPED, SUN]) ask(`[%pIS${m}][%piS${m}]`, a, a);
// (A port with a wide field is left out: Linux prints what lies behind its buffer.)
each(['[%60pISfsc]', '[%-60pISc]', '[%.8pISp]', '[%30pIS]', '[%08pISp]'], SIN);
each(['[%60pISc]', '[%.8pISpc]', '[%50pISc]'], SIN6);

// ---- %pE
const ESC = put(latin1('a b\n\r\t\v\f\\"\0\x07\x1b\x01z\x7f\x80\xff\x001?\'%e'));
for (const m of [
  '',
  'a',
  'c',
  'h',
  'n',
  'o',
  'p',
  's',
  'ac',
  'as',
  'an',
  'hp',
  'op',
  'ch',
  'cn',
  'ns',
  'nh',
  'sn',
  'acp',
  'achnops',
  'so',
  'sc',
  'no',
  'aho',
  'x',
  'cx',
])
  each([`[%*pE${m}]`], 27, ESC);
each(['[%pE]', '[%5pE]', '[%0pE]', '[%-5pE]', '[%5.2pE]'], ESC);
ask('[%*pE][%5pE]', -4, ESC, 0);

// ---- %pU
const UUID = put(Array.from({ length: 16 }, (_, i) => (0xa0 + i * 5) & 255));
each(['%pU', '%pUb', '%pUB', '%pUl', '%pUL', '[%40pU]', '[%-40pU]', '[%.8pU]', '%pUx', '%pULb'], UUID);
ask('[%pU]', 0);

// ---- %pa, %pN
const ADDR = put([...le(0x1234_5678_9abcn, 8), ...le(0, 8), ...le(0xffff_ffff_ffff_ffffn, 8)]);
for (const o of [0, 8, 16])
  each(
    ['%pa|%pap|%pad|%pax', '[%30pa][%-30pap][%.2pad][%5pa]', '%pNF|%pN|%pNx'],
    { at: ADDR.at + o },
    { at: ADDR.at + o },
    { at: ADDR.at + o },
    { at: ADDR.at + o },
  );
each(['[%pa]', '[%12pad]', '[%pNF]'], 0);

// ---- %pR, %pr: struct resource {start, end, name, flags, desc}
const res = (start, end, flags) => struct(96, [0, 8, start], [8, 8, end], [24, 8, flags]);
for (const [s, e, f] of [
  [0x60, 0x6f, 0x100],
  [0x10, 0x10, 0x100],
  [0xc0000000, 0xc00fffff, 0x200],
  [0xc0000000, 0xc00fffff, 0x200 | 0x2000 | 0x100000],
  [0x1_0000_0000n, 0x1_0000_ffffn, 0x200 | 0x200000],
  [0, 0xfff, 0x200 | 0x20000000],
  [0, 0xfff, 0x200 | 0x10000000],
  [0, 0xfff, 0x200 | 0x10000000 | 0x20000000 | 0x2000 | 0x100000 | 0x200000],
  [5, 5, 0x400],
  [5, 7, 0x400 | 0x10000000],
  [3, 3, 0x800],
  [0, 0xff, 0x1000],
  [0, 0xff, 0x1000 | 0x20000000],
  [1, 2, 0],
  [1, 2, 0x40000000],
  [0xffff_ffff_ffff_0000n, 0xffff_ffff_ffff_ffffn, 0x200 | 0x80000000],
  [0x1000, 0x1fff, 0x01000200],
  [0x60, 0x6f, 0x300],
  [7, 6, 0x200],
  [0, 0, 0x10000100],
]) {
  const r = res(s, e, f);
  ask('%pR|%pr', r, r);
}
const R = res(0xc0000000, 0xc00fffff, 0x102200);
each(['[%60pR]', '[%-60pR]', '[%.9pR]', '[%60pr]', '%pRx'], R);
each(['[%pR]', '[%15pr]'], 0);

// ---- %pd, %pD: dentry {d_parent 24, d_name 32 {hash, len, name}}, file {f_path.dentry 72}
const dentry = (name, parent) => {
  const d = struct(192, [40, 8, str(name)]);
  fixups.push([d.at + 24, parent === null ? d.at : parent.at]);
  return d;
};
const ROOT = dentry('/', null);
const USR = dentry('usr', ROOT);
const LIB = dentry('lib', USR);
const FILE_D = dentry('libc.so', LIB);
const FILE = struct(184, [72, 8, FILE_D]);
for (const d of [ROOT, USR, LIB, FILE_D]) ask('%pd|%pd2|%pd3|%pd4|%pd5|%pd1', d, d, d, d, d, d);
each(['[%20pd]', '[%-20pd2]', '[%.3pd]', '[%.6pd2]', '[%20.4pd3]', '%pdx'], FILE_D);
each(['%pD', '%pD2', '%pD3', '%pD4', '[%30pD2]', '[%-30pD]', '[%.2pD4]'], FILE);
each(['[%pd]', '[%10pD]'], 0);
ask('[%pD]', struct(184, [72, 8, 0]));

// ---- %pt: struct rtc_time {sec, min, hour, mday, mon, year, wday, yday, isdst}, time64_t
const rtc = (...f) => put(f.flatMap((x) => le(x, 4)));
const RTC = [rtc(59, 58, 23, 31, 11, 99, 5, 364, 0), rtc(5, 4, 3, 2, 0, 126, 1, 1, 0), rtc(-1, 0, 0, 0, -2, -1901, 0, 0, 0)];
for (const t of RTC)
  for (const m of ['', 'd', 't', 'r', 'dr', 'tr', 's', 'ds', 'ts', 'rs', 'dtrs', 'drs', 'rd', 'x', 'sr']) ask(`%ptR${m}`, t);
each(['[%30ptR]', '[%-30ptR]', '[%.3ptR]', '%pt', '%ptX', '[%20pt]'], RTC[0]);
const TIME = put([0, 1, 951782400, 1700000000, 4102444799, 253402300799n, -1, -86401, 68719476736n].flatMap((x) => le(x, 8)));
for (let i = 0; i < 9; i++) for (const m of ['', 'd', 't', 'r', 's', 'tr', 'dr', 'dts']) ask(`%ptT${m}`, { at: TIME.at + 8 * i });
each(['[%ptR]', '[%30ptT]', '[%pt]'], 0);

// ---- %pG
const FLAG = Array.from({ length: 64 }, (_, i) => put(le(1n << BigInt(i), 8)));
for (let i = 0; i < 64; i++) ask('%pGp|%pGv|%pGg|%pGt', FLAG[i], FLAG[i], FLAG[i], FLAG[i]);
for (const f of [
  0, 0x400cc0, 0xcc0, 0xcc1, 0xcc4, 0xdc0, 0xdc2, 0xc40, 0x820, 0x800, 0xc00, 0x100cca, 0x100cc2, 0x100cc0, 0x3c24ca, 0x3d24ca, 0x52cc0,
  0x2cc0, 0x1dc0, 0xffffffff, 0x24000, 0x920, 0x6400c0,
])
  ask('%pGg', put(le(f, 8)));
for (const f of [
  0,
  3n,
  0x17ffffc0000200n,
  0x1000000000010200n,
  0xffffffffffffffffn,
  0x40000000000000n,
  0x200000000000000n,
  0x17ffffc0000040n,
  0x2000n,
])
  ask('%pGp', put(le(f, 8)));
for (const f of [0, 7, 0x75, 0x100073, 0x8100077, 0xffffffffffffffffn, 0x200000000n, 0x20000075n]) ask('%pGv', put(le(f, 8)));
for (const f of [
  0, 0xf0000000, 0xf1000000, 0xf2000000, 0xf3000000, 0xf4000000, 0xf5000000, 0xf6000000, 0xf7000000, 0xf8000000, 0xff000000, 0xffffffff,
  0xf5123456, 0x12345678, 0xef000000, 0xfeffffff,
])
  ask('%pGt', put(le(f, 8)));
each(['%pG', '%pGx', '[%30pGp]', '[%-30pGv]', '[%.3pGg]', '%pGgx', '[%20pG]'], put(le(0xcc0, 8)));
each(['[%pGp]', '[%12pGg]'], 0);

// ---- %p4cc
for (const c of [0x34325258, 0x20424752, 0xb4325258, 0x00000000, 0x01020304, 0xffffffff, 0x7f616263, 0x5c22271b])
  each(['%p4cc', '[%30p4cc]', '[%.4p4cc]', '%p4ccx'], put(le(c, 4)));
each(['%p4', '%p4c', '%p4cx', '[%12p4]', '%p4chR'], put(le(0x34325258, 4)));
each(['[%p4cc]', '[%20p4cc]'], 0);

// ---- strings by address, devices, device tree, the rest
each(['%pks', '%pus', '[%10pks]', '[%-10pus]', '[%.2pks]', '%pk', '%pu', '%pkx', '%pux'], S);
each(['%pks', '%pus', '%pk'], 0);
each(['%pO', '%pOx', '[%10pO]', '%pf', '%pF', '%pfx', '[%10pf]'], S);
each(['%pOF', '[%20pOF]', '%pfw', '[%20pfwP]', '%pC', '[%20pCn]', '%pg', '[%20pg]'], 0);
// Offsets of struct device_node, property, block_device, gendisk, clk and clk_core: src/abi/layout/structs.ts.
const property = (name, value, next) =>
  struct(104, [0, 8, str(name)], [8, 4, value.length], [16, 8, put(latin1(value))], ...(next === null ? [] : [[24, 8, next]]));
// The reference count and the mark "initialised" of its kobject keep real Linux calm; its fwnode operations are set by the module.
const node = (full, parent, phandle, flags, prop = null) =>
  struct(
    208,
    [8, 4, phandle],
    [16, 8, str(full)],
    ...(parent === null ? [] : [[104, 8, parent]]),
    ...(prop === null ? [] : [[88, 8, prop]]),
    [192, 8, flags],
    [184, 4, 1000],
    [188, 1, 1],
  );
const NROOT = node('', null, 0, 0);
const NSOC = node('soc', NROOT, 1, 0b100, property('reg', 'abcd', property('compatible', 'simple-bus\0', null)));
const NUART = node(
  'serial@10000000',
  NSOC,
  17,
  0b1111 << 1,
  property('compatible', 'ns16550a\0ns16550\0', property('status', 'okay\0', null)),
);
for (const n of [NROOT, NSOC, NUART])
  each(
    [
      '%pOF',
      '%pOFf',
      '%pOFn',
      '%pOFp',
      '%pOFP',
      '%pOFF',
      '%pOFc',
      '%pOFC',
      '%pOFfnpPFcC',
      '[%40pOF]',
      '[%-40pOFn]',
      '[%.3pOFn]',
      '%pOFx',
      '[%30pOFnp]',
      '[%.2pOFP]',
    ],
    n,
  );
const disk = (name) => struct(776, [12, 8, 0], ...latin1(name).map((c, i) => [12 + i, 1, c]));
const bdev = (d, part) => struct(976, [16, 8, d], [48, 4, part]);
const SDA = disk('sda');
const MMC = disk('mmcblk0');
for (const b of [bdev(SDA, 0), bdev(SDA, 1), bdev(MMC, 0), bdev(MMC, 12), bdev(SDA, 0x305)])
  each(['%pg', '[%12pg]', '[%-12pg]', '[%.2pg]', '%pgx'], b);
const CLK = struct(72, [0, 8, struct(264, [0, 8, str('osc24M')])]);
each(['%pC', '%pCn', '[%12pC]', '[%-12pCn]', '[%.3pC]', '%pCx'], CLK);

// ---- symbols without a name
each(['%pS', '%ps', '%pB', '%pSR', '%psR', '[%20pS]', '[%-20ps]', '[%.4pS]', '%pSb', '%pBb'], 0x1234);
each(['%pS', '%ps', '%pB', '[%5pS]'], 0);
each(['%pS', '%ps'], 0x12345678n);

// ---- mixes
ask('%s: %d items, %lu bytes (%d%%) at %pa[%*ph]', S, 3, 123456789012n, 45, ADDR, 4, HEX);
ask('%d %d %d %d %d %d %d %d %d %d', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
ask('%c%s%c', 60, S, 62);
ask('%llx %hhx %s %c %5d|%-5d|%05d', 0xffffffffffffffffn, 0x1ff, S, 97, 42, 42, 42);

export const NODES = [NROOT, NSOC, NUART];
export const BLOCK = Uint8Array.from(bytes);
export const FIXUPS = fixups;
export const CASES = cases;

// Verifying signatures of elliptic curves (ECDSA, FIPS 186-4 section 6.4) over the curve P-384 (SEC 2: secp384r1).

const P = 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n;
const N = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;
const B = 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn;
const GX = 0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7n;
const GY = 0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5fn;

const mod = (a: bigint, m: bigint) => {
  const r = a % m;
  return r < 0n ? r + m : r;
};
function inverse(a: bigint, m: bigint): bigint {
  let [r, s, u, v] = [mod(a, m), m, 1n, 0n];
  while (r !== 0n) {
    const q = s / r;
    [r, s] = [s - q * r, r];
    [u, v] = [v - q * u, u];
  }
  return mod(v, m);
}
/** A point in Jacobian coordinates: (x/z^2, y/z^3); z = 0 is infinity. */
type Point = readonly [bigint, bigint, bigint];
const INFINITY: Point = [1n, 1n, 0n];

function double([x, y, z]: Point): Point {
  if (z === 0n || y === 0n) return INFINITY;
  const yy = mod(y * y, P);
  const zz = mod(z * z, P);
  const s = mod(4n * x * yy, P);
  const m = mod(3n * (x - zz) * (x + zz), P);
  const x3 = mod(m * m - 2n * s, P);
  return [x3, mod(m * (s - x3) - 8n * yy * yy, P), mod(2n * y * z, P)];
}
function add(a: Point, b: Point): Point {
  if (a[2] === 0n) return b;
  if (b[2] === 0n) return a;
  const za = mod(a[2] * a[2], P);
  const zb = mod(b[2] * b[2], P);
  const u1 = mod(a[0] * zb, P);
  const u2 = mod(b[0] * za, P);
  const s1 = mod(a[1] * zb * b[2], P);
  const s2 = mod(b[1] * za * a[2], P);
  const h = mod(u2 - u1, P);
  const r = mod(s2 - s1, P);
  if (h === 0n) return r === 0n ? double(a) : INFINITY;
  const hh = mod(h * h, P);
  const hhh = mod(h * hh, P);
  const v = mod(u1 * hh, P);
  const x3 = mod(r * r - hhh - 2n * v, P);
  return [x3, mod(r * (v - x3) - s1 * hhh, P), mod(a[2] * b[2] * h, P)];
}
/** a*G + b*Q, bit by bit of both. */
function multiply(a: bigint, b: bigint, q: Point): Point {
  const g: Point = [GX, GY, 1n];
  const both = add(g, q);
  let r = INFINITY;
  for (let i = 383n; i >= 0n; i--) {
    r = double(r);
    const [x, y] = [(a >> i) & 1n, (b >> i) & 1n];
    if (x === 1n) r = add(r, y === 1n ? both : g);
    else if (y === 1n) r = add(r, q);
  }
  return r;
}
export function bigOf(bytes: Uint8Array): bigint {
  let n = 0n;
  for (const b of bytes) n = (n << 8n) | BigInt(b);
  return n;
}

/** Whether (r, s) signs the digest under the public key (0x04, x, y). */
export function verifyP384(key: Uint8Array, digest: Uint8Array, r: bigint, s: bigint): boolean {
  if (key.length !== 97 || key[0] !== 4) return false;
  const [x, y] = [bigOf(key.subarray(1, 49)), bigOf(key.subarray(49))];
  if (x >= P || y >= P || mod(y * y - (x * x * x - 3n * x + B), P) !== 0n) return false;
  if (r <= 0n || r >= N || s <= 0n || s >= N) return false;
  // The leftmost bits of the digest, as many as N has.
  const e = bigOf(digest.subarray(0, 48));
  const w = inverse(s, N);
  const point = multiply(mod(e * w, N), mod(r * w, N), [x, y, 1n]);
  if (point[2] === 0n) return false;
  const zi = inverse(point[2], P);
  return mod(mod(point[0] * zi * zi, P), N) === r;
}

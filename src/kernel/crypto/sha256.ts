// SHA-256 (FIPS 180-4).

const K = new Uint32Array(64);
const INITIAL = new Uint32Array(8);
/** Constants: fractional parts of the cube roots and square roots of the first primes. */
function fill(): void {
  const fraction = (x: number) => Math.floor((x - Math.floor(x)) * 2 ** 32);
  for (let n = 2, i = 0; i < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (i < 8) INITIAL[i] = fraction(Math.sqrt(n));
    K[i++] = fraction(Math.cbrt(n));
  }
}
fill();

const rotr = (x: number, n: number) => (x >>> n) | (x << (32 - n));

function compress(h: Uint32Array, w: Uint32Array): void {
  for (let i = 16; i < 64; i++) {
    const s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ (w[i - 15] >>> 3);
    const s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ (w[i - 2] >>> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  let [a, b, c, d, e, f, g, hh] = h;
  for (let i = 0; i < 64; i++) {
    const t1 = (hh + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
    const t2 = ((rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    hh = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  for (const [i, v] of [a, b, c, d, e, f, g, hh].entries()) h[i] += v;
}

export function sha256(data: Uint8Array): Uint8Array {
  const h = Uint32Array.from(INITIAL);
  const w = new Uint32Array(64);
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  let at = 0;
  for (; at + 64 <= data.length; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(at + i * 4);
    compress(h, w);
  }
  const tail = new Uint8Array(data.length - at < 56 ? 64 : 128);
  tail.set(data.subarray(at));
  tail[data.length - at] = 0x80;
  const end = new DataView(tail.buffer);
  end.setBigUint64(tail.length - 8, BigInt(data.length) * 8n);
  for (let block = 0; block < tail.length; block += 64) {
    for (let i = 0; i < 16; i++) w[i] = end.getUint32(block + i * 4);
    compress(h, w);
  }
  const out = new DataView(new ArrayBuffer(32));
  for (let i = 0; i < 8; i++) out.setUint32(i * 4, h[i]);
  return new Uint8Array(out.buffer);
}

import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { KERNEL_KEY } from '../../abi/kernel_key.ts';
import { bigOf, verifyP384 } from './ecdsa.ts';
import { sha256 } from './sha256.ts';

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));

test('SHA-256 of every length about a block', () => {
  for (const n of [0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 1000, 100_001]) {
    const data = Buffer.from(Array.from({ length: n }, (_, i) => (i * 7 + n) & 255));
    assert.equal(Buffer.from(sha256(data)).toString('hex'), createHash('sha256').update(data).digest('hex'), String(n));
  }
});
test("Debian's signature of one of its modules is good with the kernel's key, and with nothing changed (M26)", () => {
  // kernel/drivers/net/dummy.ko of linux-image-6.12.107+deb13-riscv64 6.12.107-1: SHA-256 of the file without its signature, and r and s of that.
  const digest = '19985c4bb8b6bc34514564de4c4070d6445ca5f33ddfb2446500964af41e4d2c';
  const [r, s] = ['223d972ef5c8293d937e7bf050b323114dfcee23f4691cc882e805042945eeb81496988d551f74a6c7b2b88774f63e88', '7179c748e96974ab772d2f6a940062d12a6094de2c6949ff54930bfb3037b5062439f5b38a7012843a8777a36e36de56'].map((hex) => bigOf(bytes(hex)));
  const key = bytes(KERNEL_KEY);
  assert.equal(verifyP384(key, bytes(digest), r, s), true);
  assert.equal(verifyP384(key, bytes(digest.replace(/^../, '00')), r, s), false);
  assert.equal(verifyP384(key, bytes(digest), r + 1n, s), false);
  assert.equal(verifyP384(key, bytes(digest), r, s - 1n), false);
  assert.equal(verifyP384(key, bytes(digest), 0n, s), false);
  assert.equal(verifyP384(bytes(KERNEL_KEY.replace(/..$/, '00')), bytes(digest), r, s), false);
});
test('signatures by other keys of P-384', () => {
  for (let i = 0; i < 5; i++) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
    const der = publicKey.export({ type: 'spki', format: 'der' });
    const key = new Uint8Array(der.subarray(der.length - 97));
    const data = Buffer.from(`message ${i}`);
    const raw = sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
    const [r, s] = [bigOf(raw.subarray(0, 48)), bigOf(raw.subarray(48))];
    assert.equal(verifyP384(key, sha256(data), r, s), true);
    assert.equal(verifyP384(key, sha256(Buffer.from('other')), r, s), false);
  }
});

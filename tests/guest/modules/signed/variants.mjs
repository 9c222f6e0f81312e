// Signed variants of sg_plain for record.mjs, which keeps them: by keys that no kernel knows (made with the openssl command), and with what is no signature.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MARKER = '~Module signature appended~\n';
/** The signature of another module by the key of Debian's kernel build (dummy.ko of linux-image 6.12.107-1). */
const OTHERS = Buffer.from(
  [
    '3082010206092a864886f70d010702a081f43081f1020101310d300b0609608648016503040201300b06092a864886f70d0107013181cf3081cc0201013046302e312c302a06035504030c234275696c642074696d65206175746f67656e657261746564',
    '206b65726e656c206b657902141976b47f2697cca336cce450dc340e587a38c4ce300b0609608648016503040201300a06082a8648ce3d040302046630640230223d972ef5c8293d937e7bf050b323114dfcee23f4691cc882e805042945eeb81496988d',
    '551f74a6c7b2b88774f63e8802307179c748e96974ab772d2f6a940062d12a6094de2c6949ff54930bfb3037b5062439f5b38a7012843a8777a36e36de56',
  ].join(''),
  'hex',
);
/** struct module_signature at the end: type of the identifier, length of the signature. */
export function append(body, signature, info = {}) {
  const tail = Buffer.alloc(12);
  tail[2] = info.type ?? 2;
  tail[info.at ?? 0] |= info.value ?? 0;
  tail.writeUInt32BE(info.length ?? signature.length, 8);
  return Buffer.concat([body, signature, tail, Buffer.from(MARKER)]);
}

export function variants(good, work) {
  const body = good.get('sg_plain');
  const file = (name) => join(work, name);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  writeFileSync(file('body'), body);
  const request = ['req', '-new', '-x509', '-nodes', '-subj', '/CN=nobody knows me/', '-days', '3650'];
  openssl(...request, '-newkey', 'rsa:2048', '-keyout', file('rsa.key'), '-out', file('rsa.pem'));
  openssl(...request, '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp384r1', '-keyout', file('ec.key'), '-out', file('ec.pem'));
  const sign = (key, ...args) => {
    const common = ['cms', '-sign', '-binary', '-nocerts', '-outform', 'DER', '-in', file('body'), '-signer', file(`${key}.pem`), '-inkey', file(`${key}.key`)];
    return openssl(...common, ...args);
  };
  const rsa = sign('rsa', '-noattr', '-md', 'sha256');
  const flipped = (at) => Buffer.from(OTHERS.map((b, i) => (i === at ? b ^ 1 : b)));
  return new Map([
    ['sg_rsa', append(body, rsa)],
    ['sg_ec', append(body, sign('ec', '-noattr', '-md', 'sha384'))],
    ['sg_sha1', append(body, sign('rsa', '-noattr', '-md', 'sha1'))],
    ['sg_sha512', append(body, sign('rsa', '-noattr', '-md', 'sha512'))],
    ['sg_keyid', append(body, sign('rsa', '-noattr', '-md', 'sha256', '-keyid'))],
    ['sg_md5', append(body, sign('rsa', '-noattr', '-md', 'md5'))],
    ['sg_attrs', append(body, sign('rsa', '-nosmimecap', '-md', 'sha256'))],
    ['sg_inside', append(body, sign('rsa', '-noattr', '-md', 'sha256', '-nodetach'))],
    ['sg_others', append(body, OTHERS)],
    ['sg_others_bad', append(body, flipped(OTHERS.length - 3))],
    ['sg_others_der', append(body, flipped(OTHERS.length - 101))],
    ['sg_others_serial', append(body, flipped(120))],
    ['sg_garbage', append(body, Buffer.alloc(300, 0x55))],
    ['sg_cut', append(body, rsa.subarray(0, rsa.length - 20))],
    ['sg_longer', append(body, Buffer.concat([rsa, Buffer.from('x')]))],
    ['sg_no_bytes', append(body, Buffer.alloc(0))],
    ['sg_too_long', append(body, rsa, { length: 10_000_000 })],
    ['sg_pgp', append(body, rsa, { type: 0 })],
    ['sg_param', append(body, rsa, { at: 1, value: 4 })],
    ['sg_marker', Buffer.concat([body, Buffer.from(MARKER)])],
    ['sg_changed', append(Buffer.concat([body.subarray(0, body.length - 1), Buffer.from([body[body.length - 1] ^ 1])]), rsa)],
  ]);
}

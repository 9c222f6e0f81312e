import { EBADMSG, EINVAL, EKEYREJECTED, ENOKEY, ENOPKG } from '../../abi/errno.ts';
import { KERNEL_KEY, KERNEL_KEY_ID, KERNEL_KEY_SKID } from '../../abi/kernel_key.ts';
import { bigOf, verifyP384 } from '../crypto/ecdsa.ts';
import { sha256 } from '../crypto/sha256.ts';

// Signatures of modules: a PKCS#7 message with detached data (crypto/asymmetric_keys/pkcs7_parser.c, pkcs7_verify.c, pkcs7_trust.c), encoded in DER (X.690).

/** A value in DER: its tag, its bytes, and itself with tag and length. */
interface Der {
  readonly tag: number;
  readonly body: Uint8Array;
  readonly whole: Uint8Array;
}
const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const OCTET_STRING = 0x04;
const OBJECT = 0x06;
const CONTEXT_0 = 0xa0;
const CONTEXT_1 = 0xa1;
const CONTEXT_0_PRIMITIVE = 0x80;

class Malformed extends Error {}
/** The first value; what follows is not looked at. @throws Malformed */
function first(bytes: Uint8Array, tag: number): Der {
  const [value] = parts(bytes, 1);
  if (value?.tag !== tag) throw new Malformed();
  return value;
}
/** The values of a constructed one. @throws Malformed */
function parts(bytes: Uint8Array, most = Number.POSITIVE_INFINITY): Der[] {
  const all: Der[] = [];
  let at = 0;
  while (at < bytes.length && all.length < most) {
    const begin = at;
    const tag = bytes[at++];
    let length = bytes[at++];
    if (length === undefined || (tag & 0x1f) === 0x1f) throw new Malformed();
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0 || count > 3 || at + count > bytes.length) throw new Malformed();
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + bytes[at++];
    }
    if (at + length > bytes.length) throw new Malformed();
    all.push({ tag, body: bytes.subarray(at, at + length), whole: bytes.subarray(begin, at + length) });
    at += length;
  }
  return all;
}
/** Takes the values of a constructed one in order. */
class Reader {
  private readonly values: Der[];
  private next = 0;
  constructor(bytes: Uint8Array) {
    this.values = parts(bytes);
  }
  get more(): boolean {
    return this.next < this.values.length;
  }
  optional(tag: number): Der | null {
    return this.values[this.next]?.tag === tag ? this.values[this.next++] : null;
  }
  take(tag: number): Der {
    const value = this.optional(tag);
    if (value === null) throw new Malformed();
    return value;
  }
  any(): Der {
    const value = this.values[this.next++];
    if (value === undefined) throw new Malformed();
    return value;
  }
  end(): void {
    if (this.more) throw new Malformed();
  }
}
const hex = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');

const OID_SIGNED_DATA = '2a864886f70d010702';
const OID_DATA = '2a864886f70d010701';
const OID_SHA256 = '608648016503040201';
/** Digests that pkcs7_sig_note_digest_algo knows: SHA-1, SHA-2, Streebog, SHA-3. */
const DIGESTS = [
  '2b0e03021a',
  OID_SHA256,
  '608648016503040202',
  '608648016503040203',
  '608648016503040204',
  '2a85030701010202',
  '2a85030701010203',
  '608648016503040208',
  '608648016503040209',
  '60864801650304020a',
];
const OID_ECDSA_SHA256 = '2a8648ce3d040302';
/** Algorithms of keys that pkcs7_sig_note_pkey_algo knows: RSA, ECDSA with SHA-1, SHA-2 and SHA-3, SM2, GOST. */
const KEY_ALGORITHMS = [
  '2a864886f70d010101',
  '2a8648ce3d0401',
  '2a8648ce3d040301',
  OID_ECDSA_SHA256,
  '2a8648ce3d040303',
  '2a8648ce3d040304',
  '60864801650304030a',
  '60864801650304030b',
  '60864801650304030c',
  '2a811ccf55018375',
  '2a85030701010302',
  '2a85030701010303',
];

/** OID__NR: the number of what the registry of names does not know. */
const OID_NONE = 103;
type Log = (level: number, text: string) => void;
/** sprint_oid: the numbers of an object identifier. */
function dotted(oid: Uint8Array): string {
  const numbers: number[] = [];
  let n = 0;
  for (const b of oid) {
    n = n * 128 + (b & 0x7f);
    if ((b & 0x80) !== 0) continue;
    if (numbers.length === 0) numbers.push(Math.min(Math.floor(n / 40), 2), n - 40 * Math.min(Math.floor(n / 40), 2));
    else numbers.push(n);
    n = 0;
  }
  return numbers.join('.');
}

interface Signer {
  readonly id: string;
  readonly skid: boolean;
  readonly digest: string;
  readonly algorithm: string;
  readonly hasAttributes: boolean;
  readonly signature: Uint8Array;
}
interface Message {
  readonly dataType: string;
  readonly hasData: boolean;
  readonly signers: readonly Signer[];
}
/** pkcs7_parse_message: the message, or -errno. */
function parseMessage(bytes: Uint8Array, log: Log): Message | number {
  const info = new Reader(first(bytes, SEQUENCE).body);
  if (hex(info.take(OBJECT).body) !== OID_SIGNED_DATA) return -EINVAL;
  const wrapped = new Reader(info.take(CONTEXT_0).body);
  const data = new Reader(wrapped.take(SEQUENCE).body);
  const version = data.take(INTEGER).body;
  if (version.length !== 1 || (version[0] !== 1 && version[0] !== 3)) return -EINVAL;
  const noteDigest = (algorithm: Der): string => {
    const oid = new Reader(algorithm.body).take(OBJECT).body;
    if (!DIGESTS.includes(hex(oid))) log(4, `PKCS7: Unknown OID: [${oid.byteOffset - bytes.byteOffset}] ${dotted(oid)}`);
    return hex(oid);
  };
  for (const algorithm of parts(data.take(SET).body)) noteDigest(algorithm);
  const content = new Reader(data.take(SEQUENCE).body);
  const dataType = hex(content.take(OBJECT).body);
  const hasData = content.more;
  data.optional(CONTEXT_0);
  data.optional(CONTEXT_1);
  const signers: Signer[] = [];
  for (const value of parts(data.take(SET).body)) {
    const signer = parseSigner(value, version[0], noteDigest, log);
    if (typeof signer === 'number') return signer;
    signers.push(signer);
  }
  data.end();
  return { dataType, hasData, signers };
}
function parseSigner(value: Der, messageVersion: number, noteDigest: (algorithm: Der) => string, log: Log): Signer | number {
  if (value.tag !== SEQUENCE) throw new Malformed();
  const r = new Reader(value.body);
  const version = r.take(INTEGER).body;
  if (version.length !== 1 || version[0] !== messageVersion) return -EINVAL;
  const skid = r.optional(CONTEXT_0_PRIMITIVE);
  if ((skid !== null) !== (version[0] === 3)) return -EINVAL;
  let id = '';
  if (skid !== null) id = hex(skid.body);
  else {
    const names = new Reader(r.take(SEQUENCE).body);
    const issuer = names.take(SEQUENCE).whole;
    const serial = names.take(INTEGER).body;
    id = hex(serial) + hex(issuer);
  }
  const digest = noteDigest(r.take(SEQUENCE));
  if (!DIGESTS.includes(digest)) {
    log(4, `Unsupported digest algo: ${OID_NONE}`);
    return -ENOPKG;
  }
  const hasAttributes = r.optional(CONTEXT_0) !== null;
  const algorithm = hex(new Reader(r.take(SEQUENCE).body).take(OBJECT).body);
  if (!KEY_ALGORITHMS.includes(algorithm)) {
    log(4, `Unsupported pkey algo: ${OID_NONE}`);
    return -ENOPKG;
  }
  const signature = r.take(OCTET_STRING).body;
  r.optional(CONTEXT_1);
  r.end();
  return { id, skid: skid !== null, digest, algorithm, hasAttributes, signature };
}
const bytesOfHex = (text: string) => Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(i * 2, i * 2 + 2), 16));

/** verify_signature with the kernel's own key. */
function verifySigner(signer: Signer, file: Uint8Array): boolean {
  if (signer.digest !== OID_SHA256 || signer.algorithm !== OID_ECDSA_SHA256) return false;
  let pair: Der[] = [];
  try {
    const [outer] = parts(signer.signature);
    pair = outer?.tag === SEQUENCE ? parts(outer.body) : [];
  } catch (e) {
    if (!(e instanceof Malformed)) throw e;
  }
  if (pair.length !== 2 || pair.some((n) => n.tag !== INTEGER)) return false;
  return verifyP384(bytesOfHex(KERNEL_KEY), sha256(file), bigOf(pair[0].body), bigOf(pair[1].body));
}
/**
 * verify_pkcs7_signature for a module: 0 when the kernel's own key signed the file; -ENOKEY when nobody known did. `log` is for what the kernel says
 * besides. Certificates within the message are not looked at: what they vouch for, nobody trusts.
 */
export function verifyModuleSignature(file: Uint8Array, signature: Uint8Array, log: Log): number {
  try {
    const message = parseMessage(signature, log);
    if (typeof message === 'number') return message;
    if (message.hasData) {
      log(4, 'PKCS7: Data already supplied');
      log(3, 'PKCS#7 signature with non-detached data');
      return -EBADMSG;
    }
    if (message.dataType !== OID_DATA) {
      log(4, 'PKCS7: Invalid module sig (not pkcs7-data)');
      return -EKEYREJECTED;
    }
    for (const signer of message.signers) {
      if (!signer.hasAttributes) continue;
      log(4, 'PKCS7: Invalid module sig (has authattrs)');
      return -EKEYREJECTED;
    }
    const ours = message.signers.find((s) => s.id === (s.skid ? KERNEL_KEY_SKID : KERNEL_KEY_ID));
    if (ours === undefined) return message.signers.length === 0 ? -ENOPKG : -ENOKEY;
    return verifySigner(ours, file) ? 0 : -EKEYREJECTED;
  } catch (e) {
    if (e instanceof Malformed) return -EBADMSG;
    throw e;
  }
}

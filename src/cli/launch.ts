import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { enableEngineFeatures } from '../host/node/v8_flags.ts';
import { cachePath, writeAtomically } from '../image/cache.ts';

/** Entries of V8's compiled code that stay: one a build of Lintel and version of Node. About 2 MB each. */
const ENTRIES_KEPT = 8;
/** Characters; a smaller file compiles faster than its compiled code is found. */
const WORTH_KEEPING = 500_000;
const DIGEST_BYTES = 32;

const modules = fileURLToPath(new URL('./main.js', import.meta.url));
const bundle = fileURLToPath(new URL('../bundle', import.meta.url));
const compiledCode = cachePath('v8');

/** What main.ts exports, seen from outside the bundle. */
interface Main {
  /** Settles when the command has ended; true when it booted a system: then V8 has compiled most of what any run needs. */
  finished: Promise<boolean>;
}
type Exports = Record<string, unknown>;
type Wrapper = (exports: Exports, require: (id: string) => unknown, module: { exports: Exports }, filename: string) => void;

const packages = createRequire(modules);
const loaded = new Map<string, { exports: Exports }>();
/** Large files that V8 had to compile, by the name for their code. */
const compiled = new Map<string, Script>();

/** CommonJS's require for the files of dist/bundle, with V8's compiled code from an earlier run. */
function load(id: string): Exports {
  const seen = loaded.get(id);
  if (seen !== undefined) return seen.exports;
  const filename = join(bundle, id);
  const source = readFileSync(filename, 'utf8');
  const large = source.length >= WORTH_KEEPING;
  // The name has a hash of the source; V8 itself compares only the source's length, its own version and flags.
  const entry = `${id}-${process.versions.v8}-${process.arch}`;
  const script = new Script(`(function (exports, require, module, __filename) {${source}\n})`, {
    filename,
    ...(large ? keptCode(entry) : {}),
  });
  if (large && script.cachedDataRejected !== false) compiled.set(entry, script);
  const module = { exports: {} };
  loaded.set(id, module);
  const require = (other: string): unknown => (other.startsWith('./') ? load(other.slice(2)) : packages(other));
  (script.runInThisContext() as Wrapper)(module.exports, require, module, filename);
  return module.exports;
}

/** An entry is SHA-256 of the code and the code: a damaged one would take the process down, since V8 does not look. */
function keptCode(entry: string): { cachedData?: Buffer } {
  try {
    const bytes = readFileSync(join(compiledCode, entry));
    const cachedData = bytes.subarray(DIGEST_BYTES);
    return sha256(cachedData).equals(bytes.subarray(0, DIGEST_BYTES)) ? { cachedData } : {};
  } catch {
    return {}; // the first run of this build
  }
}
function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

function keepCode(): void {
  try {
    for (const [entry, script] of compiled) {
      const code = script.createCachedData();
      writeAtomically(join(compiledCode, entry), Buffer.concat([sha256(code), code]));
    }
    const age = (name: string): number => statSync(join(compiledCode, name)).mtimeMs;
    const names = readdirSync(compiledCode).sort((a, b) => age(b) - age(a));
    for (const name of names.slice(ENTRIES_KEPT)) rmSync(join(compiledCode, name), { force: true });
  } catch {
    // A full disk, a directory that cannot be written, another process that tidies: the next run compiles again.
  }
}

/**
 * Starts the command from the few files that scripts/bundle.mjs joined its modules to: reading, resolving and compiling 300 modules takes longer than
 * booting (docs/performance.md, "Start").
 */
async function launch(): Promise<void> {
  enableEngineFeatures(); // before anything is compiled: V8 refuses code that was made under other flags
  const { finished } = load('main.cjs') as unknown as Main;
  if ((await finished) && compiled.size > 0) keepCode();
}

/** tsc writes every module anew: a bundle that is older is of another build. */
function bundleIsFresh(): boolean {
  const b = statSync(join(bundle, 'main.cjs'), { throwIfNoEntry: false });
  return b !== undefined && b.mtimeMs >= statSync(modules).mtimeMs;
}

if (bundleIsFresh()) await launch();
else await import('./main.ts');

// Joins the modules that tsc wrote: dist/bundle has the command for src/cli/launch.ts (CommonJS, so that V8's compiled code can be kept), and the API
// for `import 'lintel'` is an ES module in dist/esm. One scope instead of 300 modules starts faster, and V8 folds constants across it: kernel paths
// run 10 to 30 % faster (docs/performance.md, "Start").
import { rmSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { rollup } from 'rollup';

const bundle = await rollup({
  input: { main: 'dist/cli/main.js', index: 'dist/index.js' },
  // Packages stay outside, with their own licences.
  external: (id) => isBuiltin(id) || /^[a-z@]/.test(id),
  onwarn(warning) {
    // CIRCULAR_DEPENDENCY: subsystems call each other, as in C. THIS_IS_UNDEFINED: tsc's helper for `using`.
    if (warning.code === 'CIRCULAR_DEPENDENCY' || warning.code === 'THIS_IS_UNDEFINED') return;
    throw new Error(warning.message);
  },
});
// Names with a hash of the contents: launch.ts keeps V8's code under them.
const names = (suffix) => ({ entryFileNames: `[name].${suffix}`, chunkFileNames: `[name]-[hash:16].${suffix}` });
for (const dir of ['dist/bundle', 'dist/esm']) rmSync(dir, { recursive: true, force: true });
await bundle.write({ dir: 'dist/bundle', format: 'cjs', exports: 'named', dynamicImportInCjs: false, ...names('cjs') });
await bundle.write({ dir: 'dist/esm', format: 'es', ...names('js') });
await bundle.close();

import { defineImage, ensureImage, imagePackages, listImages } from '../image/image.ts';
import { type CliOptions, UsageError } from './options.ts';
import { progressLine } from './progress.ts';

/** `lintel image build|list|add` */
export async function imageCommand(options: CliOptions, words: readonly string[]): Promise<number> {
  const [verb, ...rest] = words;
  const progress = progressLine(options.quiet);
  const warn = (text: string) => {
    progress.done();
    process.stderr.write(`lintel: ${text}\n`);
  };
  switch (verb) {
    case 'list':
      for (const image of listImages()) process.stdout.write(`${image.name}\t${image.built ? 'built' : 'not built yet'}\n`);
      return 0;
    case 'build': {
      const name = rest[0] ?? 'base';
      const packages = options.packages?.split(',').filter((p) => p !== '') ?? rest.slice(1);
      const path =
        packages.length > 0 ? await defineImage(name, packages, progress.report, warn) : await ensureImage(name, progress.report, warn);
      progress.done();
      process.stdout.write(`${path}\n`);
      return 0;
    }
    case 'add': {
      const name = options.image ?? 'local';
      if (rest.length === 0)
        throw new UsageError('image add wants packages: lintel image add PKG... (into the image of --image, default local)');
      const there = imagePackages(name);
      if (there === null) throw new UsageError(`image '${name}' is built in and cannot be added to; name another one with --image`);
      const path = await defineImage(name, [...new Set([...there, ...rest])], progress.report, warn);
      progress.done();
      process.stdout.write(`${path}\n`);
      return 0;
    }
    default:
      throw new UsageError('image wants build, list or add');
  }
}

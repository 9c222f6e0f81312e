import { defineImage, ensureImage, imagePackages, listImages } from '../image/image.ts';
import { type CliOptions, UsageError } from './options.ts';
import { progressLine } from './progress.ts';

/** `lintel image build|list|add` */
export async function imageCommand(options: CliOptions, words: readonly string[]): Promise<number> {
  const [verb, ...rest] = words;
  const progress = progressLine(options.quiet);
  switch (verb) {
    case 'list':
      for (const image of listImages()) process.stdout.write(`${image.name}\t${image.built ? 'built' : 'not built yet'}\n`);
      return 0;
    case 'build': {
      const name = rest[0] ?? 'base';
      const packages = options.packages?.split(',').filter((p) => p !== '') ?? rest.slice(1);
      const path = packages.length > 0 ? await defineImage(name, packages, progress.report) : await ensureImage(name, progress.report);
      progress.done();
      process.stdout.write(`${path}\n`);
      return 0;
    }
    case 'add': {
      const name = options.image ?? 'local';
      if (rest.length === 0)
        throw new UsageError('image add wants packages: lintel image add PKG... (into the image of --image, default local)');
      const path = await defineImage(name, [...new Set([...imagePackages(name), ...rest])], progress.report);
      progress.done();
      process.stdout.write(`${path}\n`);
      return 0;
    }
    default:
      throw new UsageError('image wants build, list or add');
  }
}

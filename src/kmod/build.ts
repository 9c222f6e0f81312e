/** Builds the modules of a directory. */
export async function buildModules(dir: string, _options: { progress: (text: string) => void }): Promise<string[]> {
  throw new Error(`kmod build is not implemented yet (${dir})`);
}

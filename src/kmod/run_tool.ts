import { spawn } from 'node:child_process';

export interface ToolResult {
  readonly status: number;
  /** Standard output and standard error as they came. */
  readonly output: string;
}

/** Runs a program of the host to its end. @throws Error when it cannot be started */
export function runTool(
  argv: readonly string[],
  options: { cwd?: string; environment?: Readonly<Record<string, string>> } = {},
): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), {
      cwd: options.cwd,
      env: { ...process.env, ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const parts: Buffer[] = [];
    child.stdout.on('data', (b: Buffer) => parts.push(b));
    child.stderr.on('data', (b: Buffer) => parts.push(b));
    child.on('error', (e) => reject(new Error(`cannot run ${argv[0]}: ${e.message}`)));
    child.on('close', (code, signal) => {
      const killed = signal === null ? '' : `${argv[0]}: killed by ${signal}\n`;
      resolve({ status: code ?? 1, output: Buffer.concat(parts).toString('utf8') + killed });
    });
  });
}

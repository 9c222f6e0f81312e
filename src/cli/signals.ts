import { constants } from 'node:os';

const FATAL = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** How long a guest may take to end after SIGTERM or SIGHUP, ms. */
const GRACE_MS = 1000;

/**
 * Passes SIGINT, SIGTERM and SIGHUP of this process on to the guest. A second one, or a guest that has not ended some time after SIGTERM
 * or SIGHUP, ends this process by that signal, after `cleanUp`. Returns a function that undoes it.
 */
export function forwardSignals(send: (nr: number) => void, cleanUp: () => void): () => void {
  let timer: NodeJS.Timeout | null = null;
  let received = 0;
  const die = (name: NodeJS.Signals) => {
    cleanUp();
    undo();
    process.kill(process.pid, name);
  };
  const handlers = FATAL.map((name) => {
    const handler = () => {
      if (received++ > 0) return die(name);
      send(constants.signals[name]);
      if (name !== 'SIGINT') timer = setTimeout(() => die(name), GRACE_MS);
    };
    process.on(name, handler);
    return { name, handler };
  });
  const undo = () => {
    if (timer !== null) clearTimeout(timer);
    for (const { name, handler } of handlers) process.off(name, handler);
  };
  return undo;
}

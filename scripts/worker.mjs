// Systems in child processes of the script that runs them (ltp, python-tests, stress): what a hang or a crash takes down is one of those.
import { fork } from 'node:child_process';

/** The script itself again, as `script --worker`. */
export function startWorker(script) {
  return fork(script, ['--worker'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
}

/**
 * Sends `message`: settles with the answer, with `{ hang: true }` after so many milliseconds, or with `{ error }` when the process ends.
 * Messages with `progress` are no answers: `onProgress` gets what they say.
 */
export function ask(worker, message, milliseconds, onProgress = () => {}) {
  return new Promise((resolve) => {
    const settle = (answer) => {
      clearTimeout(timer);
      worker.off('exit', gone);
      worker.off('message', heard);
      resolve(answer);
    };
    const heard = (m) => (m.progress === undefined ? settle(m) : onProgress(m.progress));
    const gone = (code, signal) => settle({ error: `the process of the system ended: ${signal ?? code}` });
    const timer = setTimeout(() => settle({ hang: true }), milliseconds);
    worker.on('message', heard);
    worker.on('exit', gone);
    worker.send(message);
  });
}

import { messageOf } from '../../base/errors.ts'

/** The exit status of `run` when the container did not start, as shells and Docker have it: 127 no such command, 126 it can not be executed, else 125. */
export function runExitCode(error: unknown): 125 | 126 | 127 {
  const message = messageOf(error)
  if (/executable file not found|no such file or directory/.test(message)) return 127
  return /permission denied|not permitted|is a directory|exec format error/.test(message) ? 126 : 125
}

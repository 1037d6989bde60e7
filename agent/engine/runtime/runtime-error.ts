import { ShoalError } from '../../../src/base/errors.ts'

/** Scripts look for dockerd's words (28), whichever runtime is called. */
const PREFIXES = { create: 'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed', exec: 'OCI runtime exec failed: exec failed' } as const

/** What a runtime's log says of a failure, in the words that the stock CLI looks for when it chooses its exit status; and the container's exit code. */
export function runtimeFailure(log: string, command: string, what: 'create' | 'exec' = 'create'): { readonly error: ShoalError; readonly exitCode: number } {
  const text = lastError(log)
  const failure = (reason: string): ShoalError => new ShoalError('invalid-argument', 'runtime-failed', `${PREFIXES[what]}: unable to start container process: ${reason}`, { cause: new Error(text) })
  // What crun says of an empty word and of a directory.
  if (/^open executable: /.test(text) && command === '') return { exitCode: 127, error: failure('exec: "": executable file not found in $PATH: unknown') }
  if (/^open executable: /.test(text)) return { exitCode: 126, error: failure(`exec: "${command}": permission denied: unknown`) }
  const [, setting, space = ''] = /^the sysctl `(.*)` requires a new (network|IPC) namespace/.exec(text) ?? []
  if (setting !== undefined) return { exitCode: 128, error: new ShoalError('invalid-argument', 'runtime-failed', `${PREFIXES[what]}: sysctl "${setting}" ${space === 'network' ? 'not allowed in host network namespace' : 'is not allowed in the hosts ipc namespace'}: unknown`) }
  if (/executable file .*not found|in \$PATH|exec(utable)?:? .*no such file|exec:? .*no such file/i.test(text)) {
    const detail = /\$PATH/.test(text) && !command.includes('/') ? 'executable file not found in $PATH' : `stat ${command}: no such file or directory`
    return { exitCode: 127, error: failure(`exec: "${command}": ${detail}: unknown`) }
  }
  const [, directory] = /^chdir `?([^`'"]*?)'?`?: No such file or directory/i.exec(text) ?? []
  if (directory !== undefined && !directory.startsWith('/')) return { exitCode: 128, error: new ShoalError('invalid-argument', 'runtime-failed', `${PREFIXES[what]}: Cwd must be an absolute path: unknown`, { cause: new Error(text) }) }
  if (directory !== undefined) return { exitCode: 128, error: failure(`chdir to cwd (${JSON.stringify(directory)}) set in config.json failed: no such file or directory: unknown`) }
  // crun may not open a directory: to runc and to the shell that is no permission either.
  if (/(exec|open executable|executable).*(permission denied|operation not permitted)/i.test(text)) return { exitCode: 126, error: failure(`exec: "${command}": permission denied: unknown`) }
  const [, source, target] = /^mount `(.*)` to `\/?(.*)`: Not a directory$/.exec(text) ?? []
  if (source !== undefined) {
    return { exitCode: 128, error: failure(`error during container init: error mounting "${source}" to rootfs at "/${target}": mount ${source}:/${target} (via /proc/self/fd/6), flags: 0x5000: not a directory: unknown: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type`) }
  }
  const [, missing] = /^open (\/proc\/sys\/\S+): No such file or directory$/.exec(text) ?? []
  if (missing !== undefined) return { exitCode: 127, error: failure(`error during container init: open ${missing}: no such file or directory: unknown`) }
  return { exitCode: 128, error: failure(`${text === '' ? 'the runtime gave no reason' : text}: unknown`) }
}

/** The log is JSON lines {"msg": …, "level": "error"} (runc), or lines of words (crun). */
function lastError(log: string): string {
  const messages = log.split('\n').flatMap(line => {
    try {
      const { msg, level } = JSON.parse(line) as { readonly msg?: string; readonly level?: string }
      return msg !== undefined && level === 'error' ? [msg] : []
    } catch {
      return line.trim() === '' || line.startsWith('{') ? [] : [line.trim()]
    }
  })
  return messages.at(-1) ?? ''
}

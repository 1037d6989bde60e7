import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { ShoalError } from '../../../src/base/errors.ts'
import type { Modules } from '../modules.ts'

const MODPROBE_TIMEOUT_MS = 10_000
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Loads modules with modprobe(8), which knows where they are. */
export class LinuxModules implements Modules {
  async need(name: string, { sign }: { readonly sign: string }): Promise<void> {
    if (existsSync(sign)) return
    const failure = await modprobe(name)
    if (existsSync(sign)) return
    throw new ShoalError('failed-precondition', 'kernel-module-missing', `the kernel module ${name} is needed and could not be loaded (${failure ?? 'modprobe did, but it is not there'}); run "modprobe ${name}" on this host, and name it in /etc/modules-load.d to have it after a reboot`)
  }
}

/** Why it failed, or undefined. */
async function modprobe(name: string): Promise<string | undefined> {
  return await new Promise(resolve => {
    execFile('modprobe', [name], { timeout: MODPROBE_TIMEOUT_MS, env: { PATH } }, (error, _stdout, stderr) => {
      resolve(error === null ? undefined : stderr.trim() === '' ? error.message : stderr.trim())
    })
  })
}

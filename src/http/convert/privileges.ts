import type { Draft } from '../../api/codec/codec.ts'
import type { Privileges as PrivilegesJson } from '../../api/engine/swarm-json.ts'
import type { Privileges } from '../../api/swarm/specs.ts'
import { base64Text, bytesOf, some, wordOf } from './json-value.ts'

export function privilegesToJson(privileges: Privileges | undefined): PrivilegesJson | undefined {
  if (privileges === undefined) return undefined
  const credential = { Config: some(privileges.credentialSpecConfig), File: some(privileges.credentialSpecFile), Registry: some(privileges.credentialSpecRegistry) }
  const selinux = {
    Disable: some(privileges.selinuxDisable), User: some(privileges.selinuxUser), Role: some(privileges.selinuxRole),
    Type: some(privileges.selinuxType), Level: some(privileges.selinuxLevel),
  }
  return {
    CredentialSpec: anySet(credential) ? credential : undefined,
    SELinuxContext: anySet(selinux) ? { ...selinux, Disable: privileges.selinuxDisable } : undefined,
    Seccomp: privileges.seccompMode === '' && privileges.seccompProfile.length === 0 ? undefined : {
      Mode: some(privileges.seccompMode), Profile: some(base64Text(privileges.seccompProfile)),
    },
    AppArmor: privileges.apparmorMode === '' ? undefined : { Mode: privileges.apparmorMode },
    NoNewPrivileges: some(privileges.noNewPrivileges),
  }
}

/** @throws ShoalError `bad-parameter` for unknown modes */
export function privilegesFromJson(json: PrivilegesJson | null | undefined): Draft<Privileges> | undefined {
  if (json == null) return undefined
  const { CredentialSpec: credential, SELinuxContext: selinux, Seccomp: seccomp, AppArmor: apparmor } = json
  return {
    credentialSpecConfig: credential?.Config ?? '', credentialSpecFile: credential?.File ?? '', credentialSpecRegistry: credential?.Registry ?? '',
    selinuxDisable: selinux?.Disable ?? false, selinuxUser: selinux?.User ?? '', selinuxRole: selinux?.Role ?? '', selinuxType: selinux?.Type ?? '', selinuxLevel: selinux?.Level ?? '',
    seccompMode: wordOf(seccomp?.Mode, ['default', 'unconfined', 'custom'], 'unknown seccomp mode') ?? '',
    seccompProfile: bytesOf(seccomp?.Profile, 'Privileges.Seccomp.Profile'),
    apparmorMode: wordOf(apparmor?.Mode, ['default', 'disabled'], 'unknown AppArmor mode') ?? '',
    noNewPrivileges: json.NoNewPrivileges ?? false,
  }
}

function anySet(value: object): boolean {
  return Object.values(value).some(item => item !== undefined)
}

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parseDaemonConfig } from './daemon-config.ts'
import { SETTING_ROWS } from './settings/settings.ts'

function configFile(t: TestContext, values: unknown): string {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'daemon.json')
  writeFileSync(path, typeof values === 'string' ? values : JSON.stringify(values))
  return path
}

test("dockerd's flags are taken", () => {
  const config = parseDaemonConfig(['--data-root', '/d', '--exec-root', '/e', '-H', 'unix:///a.sock', '-H', 'tcp://127.0.0.1', '--label', 'zone=a', '--debug', '--cgroup-parent', '/c', '--live-restore'])
  assert.deepEqual([config.dataRoot, config.execRoot, config.hosts, config.labels, config.logLevel, config.cgroupParent], ['/d', '/e', ['unix:///a.sock', 'tcp://127.0.0.1:2375'], ['zone=a'], 'debug', '/c'])
})

test('the configuration file gives what flags do not', t => {
  const config = parseDaemonConfig(['--config-file', configFile(t, { 'data-root': '/d', 'labels': ['a=b'], 'default-address-pools': [{ base: '10.1.0.0/16', size: 24 }] }), '--exec-root', '/e'])
  assert.deepEqual([config.dataRoot, config.execRoot, config.labels, config.defaultAddressPools], ['/d', '/e', ['a=b'], ['base=10.1.0.0/16,size=24']])
})

test('what is given twice, unknown, malformed or meaningless is refused by name', t => {
  assert.throws(() => parseDaemonConfig(['--config-file', configFile(t, { 'data-root': '/d' }), '--data-root', '/x']), /specified both as a flag and in the configuration file: data-root/)
  assert.throws(() => parseDaemonConfig(['--config-file', configFile(t, { nope: 1 })]), /don't match any configuration option: nope/)
  assert.throws(() => parseDaemonConfig(['--config-file', configFile(t, '{')]), /unable to configure the daemon with file/)
  assert.throws(() => parseDaemonConfig(['--bogus']), /unknown option '--bogus'/)
  assert.throws(() => parseDaemonConfig(['--storage-driver', 'zfs']), /unknown storage driver zfs/)
  assert.throws(() => parseDaemonConfig(['-H', 'npipe:////./pipe/docker']), /invalid bind address \(npipe:/)
  assert.throws(() => parseDaemonConfig(['--label', 'zone']), /bad attribute format: zone/)
})

test('a switch may say false, and the file may too', t => {
  assert.equal(parseDaemonConfig(['--debug=false']).logLevel, 'info')
  assert.equal(parseDaemonConfig(['-D']).logLevel, 'debug')
  assert.equal(parseDaemonConfig(['--config-file', configFile(t, { debug: true })]).logLevel, 'debug')
  assert.throws(() => parseDaemonConfig(['--debug=maybe']), /invalid argument "maybe" for "--debug" flag/)
})

test('what Docker knows and is refused here says why, unless it asks for what is so anyway', t => {
  assert.throws(() => parseDaemonConfig(['--rootless']), /--rootless is refused: the daemon needs root/)
  assert.throws(() => parseDaemonConfig(['--config-file', configFile(t, { 'selinux-enabled': true })]), /selinux-enabled is refused/)
  assert.doesNotThrow(() => parseDaemonConfig(['--rootless=false', '--live-restore=false', '--userland-proxy', '--exec-opt', 'native.cgroupdriver=cgroupfs']))
  assert.throws(() => parseDaemonConfig(['--exec-opt', 'native.cgroupdriver=systemd']), /native.cgroupdriver=systemd is refused/)
})

test('addresses are completed: a scheme, a port by whether there is TLS, the usual socket', () => {
  const hosts = (...argv: readonly string[]): readonly string[] => parseDaemonConfig(argv).hosts
  assert.deepEqual(hosts('-H', '10.0.0.1', '-H', ':2300', '-H', 'tcp://[::1]', '-H', 'unix://', '-H', 'fd://'), ['tcp://10.0.0.1:2375', 'tcp://:2300', 'tcp://[::1]:2375', 'unix:///run/shoal.sock', 'fd://'])
  assert.deepEqual(hosts('--tlsverify', '-H', 'tcp://0.0.0.0'), ['tcp://0.0.0.0:2376'])
})

test('conflicting labels and an empty file', t => {
  assert.throws(() => parseDaemonConfig(['--label', 'a=1', '--label', 'a=2']), /conflict labels for a=2 and a=1/)
  assert.equal(parseDaemonConfig(['--config-file', configFile(t, '')]).dataRoot, '/var/lib/shoal')
})

test('every flag and key of dockerd has a row, once', () => {
  const flags = `add-runtime allow-nondistributable-artifacts api-cors-header authorization-plugin bip bridge cdi-spec-dir cgroup-parent containerd containerd-namespace
    containerd-plugins-namespace cpu-rt-period cpu-rt-runtime cri-containerd data-root debug default-address-pool default-cgroupns-mode default-gateway default-gateway-v6
    default-ipc-mode default-network-opt default-runtime default-shm-size default-ulimit dns dns-opt dns-search exec-opt exec-root experimental feature fixed-cidr fixed-cidr-v6 group host
    host-gateway-ip http-proxy https-proxy icc init init-path insecure-registry ip ip-forward ip-masq ip6tables iptables ipv6 label live-restore log-driver log-format log-level log-opt
    max-concurrent-downloads max-concurrent-uploads max-download-attempts metrics-addr mtu network-control-plane-mtu no-new-privileges no-proxy node-generic-resource oom-score-adjust pidfile
    raw-logs registry-mirror rootless seccomp-profile selinux-enabled shutdown-timeout storage-driver storage-opt swarm-default-advertise-addr tls tlscacert tlscert tlskey tlsverify
    userland-proxy userland-proxy-path userns-remap`.split(/\s+/)
  const ours = SETTING_ROWS.map(([, { flag }]) => /--([a-z0-9-]+)/.exec(flag ?? '')?.[1])
  assert.deepEqual(flags.filter(flag => !ours.includes(flag)), [])
  const keys = SETTING_ROWS.map(([, { key }]) => key)
  assert.equal(new Set(keys).size, keys.length)
})

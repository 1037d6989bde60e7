import type { Task } from '../../src/api/swarm/objects.ts'

/** The host-mode ports a task asks for by number, as "tcp/80". */
export function hostPortsOf(task: Task): readonly string[] {
  const { endpoint } = task
  const ports = endpoint === undefined ? [] : endpoint.ports.length > 0 ? endpoint.ports : endpoint.spec?.ports ?? []
  return ports.filter(port => port.publishMode === 'host' && port.publishedPort !== 0).map(port => `${port.protocol}/${port.publishedPort}`)
}

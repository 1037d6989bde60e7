import type { ServiceStatus } from '../../src/api/swarm/control.ts'
import { jobSizeOf, replicasOf } from '../../src/api/swarm/defaults.ts'
import type { Service, Task } from '../../src/api/swarm/objects.ts'
import { isAtMost, serviceMode, stateOf } from '../../src/api/swarm/task-state.ts'
import type { StoreView } from '../store/object-store.ts'

/** The numbers of `service ls`: running, wanted and, for jobs, completed tasks of the current iteration (B09, J09). */
export function serviceStatusOf(view: StoreView, serviceId: string): ServiceStatus {
  const service = view.get('service', serviceId)
  if (service === undefined) return { serviceId, runningTasks: 0, desiredTasks: 0, completedTasks: 0 }
  const mode = serviceMode(service)
  const tasks = view.tasksOfService(serviceId)
  switch (mode) {
    case 'replicated': return { serviceId, runningTasks: countRunning(tasks), desiredTasks: replicasOf(service.spec), completedTasks: 0 }
    case 'global': return { serviceId, runningTasks: countRunning(tasks), desiredTasks: tasks.filter(isWanted).length, completedTasks: 0 }
    case 'replicated-job': return { ...jobStatus(service, tasks), desiredTasks: jobSizeOf(service.spec?.replicatedJob).maxConcurrent }
    case 'global-job': return jobStatus(service, tasks)
  }
}

function jobStatus(service: Service, tasks: readonly Task[]): ServiceStatus {
  const iteration = service.jobStatus?.iteration ?? 0
  const current = tasks.filter(task => (task.jobIteration ?? 0) === iteration)
  return {
    serviceId: service.id,
    runningTasks: current.filter(task => stateOf(task) === 'running').length,
    desiredTasks: current.filter(task => task.desiredState === 'complete').length,
    completedTasks: current.filter(task => stateOf(task) === 'complete').length,
  }
}

function countRunning(tasks: readonly Task[]): number {
  return tasks.filter(task => isWanted(task) && stateOf(task) === 'running').length
}

function isWanted(task: Task): boolean { return isAtMost(task.desiredState, 'running') }

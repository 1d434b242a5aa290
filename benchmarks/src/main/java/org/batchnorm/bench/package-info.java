/**
 * The harness, in rooms. Each knows only rooms below it:
 *
 * <pre>
 * cli                      the command line, a class a command
 *  ├─ jmh                  the JMH benchmarks
 *  │   ├─ session          which measurements a run takes, and their taking
 *  │   ├─ device           measurements by a device's own clock
 *  │   └─ results          measurements as they are stored, compared, tabulated and drawn
 *  │       peers           other libraries, each in a module and a process of its own
 *  │       workload        operations, shapes, inputs, the check, the sampling
 *  ├─ experiments
 *  │   ├─ papers           the papers' claims, a class each
 *  │   ├─ train            training with and without batch norm in step, on the host or a device
 *  │   ├─ network          layers, loss and optimizers of small networks
 *  │   └─ data             labelled images
 *  └─ output               what tables and pictures are made with
 * </pre>
 *
 * <p>What needs TornadoVM ({@code benchmarks/tornadovm}) or another library ({@code benchmarks/peers},
 * {@code benchmarks/experiments}) are modules of their own, which know these rooms and are found as services.
 */
package org.batchnorm.bench;

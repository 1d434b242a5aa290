package org.batchnorm.bench.peers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import java.util.stream.Stream;

/**
 * A peer's module as it was built, loaded from its own jars. To be asked what it can do it may be loaded anywhere; it
 * is to be started in a process of its own only.
 */
public final class BuiltPeer implements AutoCloseable {

    /** The peers there are, separated by commas: their modules' names under {@code benchmarks/peers}. */
    public static final String ALL = "libtorch,onednn,onnxruntime,nd4j,djl";

    /** The same as a list. */
    public static final List<String> NAMES = List.of(ALL.split(","));

    private final URLClassLoader jars;
    private final Peer peer;

    private BuiltPeer(URLClassLoader jars, Peer peer) {
        this.jars = jars;
        this.peer = peer;
    }

    /**
     * Loads a peer.
     *
     * @param peersFolder the folder {@code benchmarks/peers} of a build with the profile {@code peers}
     * @param name one of {@link #NAMES}
     * @throws IllegalStateException if it is not built
     */
    public static BuiltPeer load(Path peersFolder, String name) {
        Path target = peersFolder.resolve(name).resolve("target");
        Path libraries = target.resolve("lib");
        if (!Files.isDirectory(libraries)) {
            throw new IllegalStateException("peer " + name + " is not built: no folder " + libraries
                    + "; run: mvn -Ppeers package -DskipTests");
        }
        URLClassLoader jars = new URLClassLoader(urls(target.resolve(name + ".jar"), libraries), parent());
        Peer peer = ServiceLoader.load(Peer.class, jars)
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("peer " + name + ": " + target.resolve(name + ".jar")
                        + " has none; run: mvn -Ppeers package -DskipTests"));
        return new BuiltPeer(jars, peer);
    }

    private static ClassLoader parent() {
        return Peer.class.getClassLoader();
    }

    private static URL[] urls(Path own, Path libraries) {
        try (Stream<Path> files = Files.list(libraries)) {
            List<URL> urls = new ArrayList<>();
            urls.add(url(own));
            files.filter(file -> file.toString().endsWith(".jar")).sorted().forEach(file -> urls.add(url(file)));
            return urls.toArray(URL[]::new);
        } catch (IOException e) {
            throw new UncheckedIOException("the peer's libraries in " + libraries + " cannot be listed: " + e, e);
        }
    }

    private static URL url(Path file) {
        try {
            return file.toUri().toURL();
        } catch (MalformedURLException e) {
            throw new IllegalStateException(file + " has no URL: " + e.getMessage(), e);
        }
    }

    /** The peer; before it is started the thread must be told {@link #classLoader}. */
    public Peer peer() {
        return peer;
    }

    /** Of its jars. Libraries that look for parts of themselves ask the thread for it. */
    public ClassLoader classLoader() {
        return jars;
    }

    /** Closes the jars. */
    @Override
    public void close() {
        try {
            jars.close();
        } catch (IOException e) {
            throw new UncheckedIOException("the jars of " + peer.name() + " cannot be closed: " + e, e);
        }
    }
}

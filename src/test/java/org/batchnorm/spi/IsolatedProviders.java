package org.batchnorm.spi;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Constructor;
import java.net.URI;
import java.net.URL;
import java.net.URLConnection;
import java.net.URLStreamHandler;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Enumeration;
import java.util.List;

/**
 * A class loader with the library's classes over again and with other backends as its services: what runs in it sees
 * the given providers alone and starts with a log in which nothing has been said yet.
 */
public final class IsolatedProviders extends ClassLoader {
    private static final String SERVICES = "META-INF/services/" + BatchNormBackend.class.getName();

    private final String providers;

    private IsolatedProviders(List<String> providers) {
        super(IsolatedProviders.class.getClassLoader());
        this.providers = String.join("\n", providers);
    }

    /** Runs a scenario, a class with a constructor without parameters, where the named providers are the backends. */
    public static void run(Class<? extends Runnable> scenario, String... providers) {
        IsolatedProviders loader = new IsolatedProviders(List.of(providers));
        try {
            Constructor<?> constructor = loader.loadClass(scenario.getName()).getDeclaredConstructor();
            constructor.setAccessible(true);
            ((Runnable) constructor.newInstance()).run();
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        if (!name.startsWith("org.batchnorm.")) {
            return super.loadClass(name, resolve);
        }
        synchronized (getClassLoadingLock(name)) {
            Class<?> loaded = findLoadedClass(name);
            return loaded != null ? loaded : define(name);
        }
    }

    private Class<?> define(String name) throws ClassNotFoundException {
        try (InputStream file = getParent().getResourceAsStream(name.replace('.', '/') + ".class")) {
            if (file == null) {
                throw new ClassNotFoundException(name);
            }
            byte[] bytes = file.readAllBytes();
            // With the domain of the other classes, so that their coverage counts.
            return defineClass(name, bytes, 0, bytes.length, IsolatedProviders.class.getProtectionDomain());
        } catch (IOException e) {
            throw new ClassNotFoundException(name, e);
        }
    }

    @Override
    public Enumeration<URL> getResources(String name) throws IOException {
        return name.equals(SERVICES) ? Collections.enumeration(List.of(services())) : super.getResources(name);
    }

    private URL services() throws IOException {
        return URL.of(URI.create("services:providers"), new URLStreamHandler() {
            @Override
            protected URLConnection openConnection(URL url) {
                return new URLConnection(url) {
                    @Override
                    public void connect() {}

                    @Override
                    public InputStream getInputStream() {
                        return new ByteArrayInputStream(providers.getBytes(StandardCharsets.UTF_8));
                    }
                };
            }
        });
    }
}

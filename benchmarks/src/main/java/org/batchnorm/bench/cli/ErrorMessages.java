package org.batchnorm.bench.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.util.Locale;
import org.batchnorm.bench.experiments.data.DataFormatException;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;

/**
 * How errors look to users: one line that says what is wrong, and an exit code; a stack trace with {@code --verbose}
 * alone.
 */
final class ErrorMessages {
    private ErrorMessages() {}

    /** An argument cannot be understood: the message, and where to read on. */
    static int wrongUsage(ParameterException exception, String[] arguments) {
        CommandLine commandLine = exception.getCommandLine();
        String command = commandLine.getCommandSpec().qualifiedName();
        commandLine.getErr().println(command + ": " + exception.getMessage());
        CommandLine.UnmatchedArgumentException.printSuggestions(exception, commandLine.getErr());
        commandLine.getErr().println("Try '" + command + " --help'.");
        commandLine.getErr().flush();
        return ExitCode.USAGE;
    }

    /** A command failed: {@link ExitCode#USAGE} for wrong input, {@link ExitCode#SOFTWARE} for anything else. */
    static int failure(Exception exception, CommandLine commandLine, ParseResult parsed) {
        commandLine.getErr().println(commandLine.getCommandSpec().qualifiedName() + ": " + message(exception));
        if (isVerbose(commandLine)) {
            exception.printStackTrace(commandLine.getErr());
        }
        commandLine.getErr().flush();
        return code(exception);
    }

    /** The exit code of a failure: {@link ExitCode#USAGE} for wrong input. */
    static int code(Exception exception) {
        boolean wrongInput = exception instanceof IllegalArgumentException || exception instanceof DataFormatException;
        return wrongInput ? ExitCode.USAGE : ExitCode.SOFTWARE;
    }

    /** Whether {@code --verbose} was given. */
    static boolean isVerbose(CommandLine commandLine) {
        return commandLine.getCommandSpec().root().userObject() instanceof Main main && main.isVerbose();
    }

    /** A sentence for any exception; those of the file system say little more than the file's name by themselves. */
    static String message(Throwable exception) {
        if (exception instanceof UncheckedIOException unchecked && unchecked.getCause() != null) {
            return message(unchecked.getCause());
        }
        if (exception instanceof NoSuchFileException missing) {
            return missing.getFile() + ": " + reason(missing, "no such file");
        }
        if (exception instanceof AccessDeniedException denied) {
            return denied.getFile() + ": " + reason(denied, "permission denied");
        }
        if (exception instanceof FileSystemException failed) {
            return failed.getFile() + ": " + reason(failed, describeType(failed));
        }
        boolean meantForUsers = exception instanceof IllegalArgumentException
                || exception instanceof IllegalStateException
                || exception instanceof IOException;
        return meantForUsers && exception.getMessage() != null
                ? exception.getMessage()
                : "unexpected " + exception + " (--verbose shows where)";
    }

    private static String reason(FileSystemException exception, String unlessGiven) {
        String reason = exception.getReason();
        return reason == null ? unlessGiven : reason;
    }

    /** {@code FileAlreadyExistsException} → "file already exists". */
    private static String describeType(FileSystemException exception) {
        return exception
                .getClass()
                .getSimpleName()
                .replaceFirst("Exception$", "")
                .replaceAll("(?<=[a-z])(?=[A-Z])", " ")
                .toLowerCase(Locale.ROOT);
    }
}

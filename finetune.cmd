@echo off
rem Starts the finetune command. In the sources the first start builds it with Maven; delete finetune-cli\target to build again.
setlocal
set "HOME_DIR=%~dp0"
rem As in finetune: code that only calls libtorch is compiled a second time later.
set "LATER=-XX:Tier4InvocationThreshold=100000 -XX:Tier4CompileThreshold=200000"
set "JAVA=java"
if defined JAVA_HOME set "JAVA=%JAVA_HOME%\bin\java"
if exist "%HOME_DIR%lib\" (
    "%JAVA%" -XX:+UseSerialGC -Xms64m %LATER% %FINETUNE_JAVA_OPTS% -cp "%HOME_DIR%lib\*" org.finetune4j.cli.Main %*
    exit /b
)
set "CLASS_PATH_FILE=%HOME_DIR%finetune-cli\target\classpath.txt"
if not exist "%CLASS_PATH_FILE%" (
    echo building finetune ^(once^)... 1>&2
    pushd "%HOME_DIR%"
    call mvn -q -DskipTests -pl finetune-cli -am package 1>&2 || (popd & exit /b 1)
    popd
)
set /p CLASS_PATH=<"%CLASS_PATH_FILE%"
"%JAVA%" -XX:+UseSerialGC -Xms64m %LATER% %FINETUNE_JAVA_OPTS% -cp "%HOME_DIR%finetune-cli\target\finetune-cli.jar;%CLASS_PATH%" org.finetune4j.cli.Main %*
